import type { SPIFFEID$Input as _spire_api_types_SPIFFEID$Input, SPIFFEID as _spire_api_types_SPIFFEID } from '../../../spire/api/types/SPIFFEID.ts';
import type { Long } from '@grpc/proto-loader';

export interface X509SVID$Input {
  'cert_chain'?: (Buffer | Uint8Array | string)[];
  'id'?: (_spire_api_types_SPIFFEID$Input | null);
  'expires_at'?: (number | string | Long);
  'hint'?: (string);
}

export interface X509SVID {
  'cert_chain': (Buffer)[];
  'id': (_spire_api_types_SPIFFEID | null);
  'expires_at': (string);
  'hint': (string);
}
