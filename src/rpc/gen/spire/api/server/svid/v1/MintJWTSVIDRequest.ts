import type { SPIFFEID$Input as _spire_api_types_SPIFFEID$Input, SPIFFEID as _spire_api_types_SPIFFEID } from '../../../../../spire/api/types/SPIFFEID.ts';

export interface MintJWTSVIDRequest$Input {
  'id'?: (_spire_api_types_SPIFFEID$Input | null);
  'audience'?: (string)[];
  'ttl'?: (number);
}

export interface MintJWTSVIDRequest {
  'id': (_spire_api_types_SPIFFEID | null);
  'audience': (string)[];
  'ttl': (number);
}
