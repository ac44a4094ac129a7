import type { X509SVID$Input as _spire_api_types_X509SVID$Input, X509SVID as _spire_api_types_X509SVID } from '../../../../../spire/api/types/X509SVID.ts';

export interface X509SVIDWithKey$Input {
  'x509_svid'?: (_spire_api_types_X509SVID$Input | null);
  'x509_svid_key'?: (Buffer | Uint8Array | string);
}

export interface X509SVIDWithKey {
  'x509_svid': (_spire_api_types_X509SVID | null);
  'x509_svid_key': (Buffer);
}
