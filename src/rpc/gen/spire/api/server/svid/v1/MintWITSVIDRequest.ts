import type { SPIFFEID$Input as _spire_api_types_SPIFFEID$Input, SPIFFEID as _spire_api_types_SPIFFEID } from '../../../../../spire/api/types/SPIFFEID.ts';

export interface MintWITSVIDRequest$Input {
  'id'?: (_spire_api_types_SPIFFEID$Input | null);
  'public_key'?: (Buffer | Uint8Array | string);
  'ttl'?: (number);
  'signing_algorithm'?: (string);
}

export interface MintWITSVIDRequest {
  'id': (_spire_api_types_SPIFFEID | null);
  'public_key': (Buffer);
  'ttl': (number);
  'signing_algorithm': (string);
}
