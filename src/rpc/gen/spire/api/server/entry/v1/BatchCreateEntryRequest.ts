import type { Entry$Input as _spire_api_types_Entry$Input, Entry as _spire_api_types_Entry } from '../../../../../spire/api/types/Entry.ts';
import type { EntryMask$Input as _spire_api_types_EntryMask$Input, EntryMask as _spire_api_types_EntryMask } from '../../../../../spire/api/types/EntryMask.ts';

export interface BatchCreateEntryRequest$Input {
  'entries'?: (_spire_api_types_Entry$Input)[];
  'output_mask'?: (_spire_api_types_EntryMask$Input | null);
}

export interface BatchCreateEntryRequest {
  'entries': (_spire_api_types_Entry)[];
  'output_mask': (_spire_api_types_EntryMask | null);
}
