import type { Entry$Input as _spire_api_types_Entry$Input, Entry as _spire_api_types_Entry } from '../../../../../spire/api/types/Entry.ts';
import type { EntryMask$Input as _spire_api_types_EntryMask$Input, EntryMask as _spire_api_types_EntryMask } from '../../../../../spire/api/types/EntryMask.ts';

export interface BatchUpdateEntryRequest$Input {
  'entries'?: (_spire_api_types_Entry$Input)[];
  'input_mask'?: (_spire_api_types_EntryMask$Input | null);
  'output_mask'?: (_spire_api_types_EntryMask$Input | null);
}

export interface BatchUpdateEntryRequest {
  'entries': (_spire_api_types_Entry)[];
  'input_mask': (_spire_api_types_EntryMask | null);
  'output_mask': (_spire_api_types_EntryMask | null);
}
