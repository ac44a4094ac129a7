import type { EntryMask$Input as _spire_api_types_EntryMask$Input, EntryMask as _spire_api_types_EntryMask } from '../../../../../spire/api/types/EntryMask.ts';

export interface GetEntryRequest$Input {
  'id'?: (string);
  'output_mask'?: (_spire_api_types_EntryMask$Input | null);
}

export interface GetEntryRequest {
  'id': (string);
  'output_mask': (_spire_api_types_EntryMask | null);
}
