import type { EntryMask$Input as _spire_api_types_EntryMask$Input, EntryMask as _spire_api_types_EntryMask } from '../../../spire/api/types/EntryMask.ts';

export interface RegisteredEntryMask$Input {
  'entry'?: (_spire_api_types_EntryMask$Input | null);
  'owner'?: (boolean);
  'purpose'?: (boolean);
  'labels'?: (boolean);
  'jwt_svid_single_use'?: (boolean);
}

export interface RegisteredEntryMask {
  'entry': (_spire_api_types_EntryMask | null);
  'owner': (boolean);
  'purpose': (boolean);
  'labels': (boolean);
  'jwt_svid_single_use': (boolean);
}
