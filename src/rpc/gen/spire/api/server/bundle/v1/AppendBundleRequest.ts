import type { X509Certificate$Input as _spire_api_types_X509Certificate$Input, X509Certificate as _spire_api_types_X509Certificate } from '../../../../../spire/api/types/X509Certificate.ts';
import type { JWTKey$Input as _spire_api_types_JWTKey$Input, JWTKey as _spire_api_types_JWTKey } from '../../../../../spire/api/types/JWTKey.ts';
import type { BundleMask$Input as _spire_api_types_BundleMask$Input, BundleMask as _spire_api_types_BundleMask } from '../../../../../spire/api/types/BundleMask.ts';
import type { WITKey$Input as _spire_api_types_WITKey$Input, WITKey as _spire_api_types_WITKey } from '../../../../../spire/api/types/WITKey.ts';

export interface AppendBundleRequest$Input {
  'x509_authorities'?: (_spire_api_types_X509Certificate$Input)[];
  'jwt_authorities'?: (_spire_api_types_JWTKey$Input)[];
  'output_mask'?: (_spire_api_types_BundleMask$Input | null);
  'wit_authorities'?: (_spire_api_types_WITKey$Input)[];
}

export interface AppendBundleRequest {
  'x509_authorities': (_spire_api_types_X509Certificate)[];
  'jwt_authorities': (_spire_api_types_JWTKey)[];
  'output_mask': (_spire_api_types_BundleMask | null);
  'wit_authorities': (_spire_api_types_WITKey)[];
}
