import type { EntryMask$Input as _spire_api_types_EntryMask$Input, EntryMask as _spire_api_types_EntryMask } from '../../../../../spire/api/types/EntryMask.ts';

export interface SyncAuthorizedEntriesRequest$Input {
  'output_mask'?: (_spire_api_types_EntryMask$Input | null);
  'ids'?: (string)[];
}

export interface SyncAuthorizedEntriesRequest {
  'output_mask': (_spire_api_types_EntryMask | null);
  'ids': (string)[];
}
