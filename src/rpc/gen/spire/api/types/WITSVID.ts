import type { SPIFFEID$Input as _spire_api_types_SPIFFEID$Input, SPIFFEID as _spire_api_types_SPIFFEID } from '../../../spire/api/types/SPIFFEID.ts';
import type { Long } from '@grpc/proto-loader';

export interface WITSVID$Input {
  'token'?: (string);
  'id'?: (_spire_api_types_SPIFFEID$Input | null);
  'expires_at'?: (number | string | Long);
  'issued_at'?: (number | string | Long);
  'hint'?: (string);
}

export interface WITSVID {
  'token': (string);
  'id': (_spire_api_types_SPIFFEID | null);
  'expires_at': (string);
  'issued_at': (string);
  'hint': (string);
}
