import type { Entry$Input as _spire_api_types_Entry$Input, Entry as _spire_api_types_Entry } from '../../../spire/api/types/Entry.ts';
import type { Long } from '@grpc/proto-loader';

export interface RegisteredEntry$Input {
  'entry'?: (_spire_api_types_Entry$Input | null);
  'owner'?: (string);
  'purpose'?: (string);
  'labels'?: ({[key: string]: string});
  'jwt_svid_single_use'?: (boolean);
  'disabled_at'?: (number | string | Long);
}

export interface RegisteredEntry {
  'entry': (_spire_api_types_Entry | null);
  'owner': (string);
  'purpose': (string);
  'labels': ({[key: string]: string});
  'jwt_svid_single_use': (boolean);
  'disabled_at': (string);
}
