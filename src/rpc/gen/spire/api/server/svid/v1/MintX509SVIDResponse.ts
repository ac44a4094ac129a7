import type { X509SVID$Input as _spire_api_types_X509SVID$Input, X509SVID as _spire_api_types_X509SVID } from '../../../../../spire/api/types/X509SVID.ts';

export interface MintX509SVIDResponse$Input {
  'svid'?: (_spire_api_types_X509SVID$Input | null);
}

export interface MintX509SVIDResponse {
  'svid': (_spire_api_types_X509SVID | null);
}
