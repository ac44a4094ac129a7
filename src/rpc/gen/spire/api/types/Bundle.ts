import type { X509Certificate$Input as _spire_api_types_X509Certificate$Input, X509Certificate as _spire_api_types_X509Certificate } from '../../../spire/api/types/X509Certificate.ts';
import type { JWTKey$Input as _spire_api_types_JWTKey$Input, JWTKey as _spire_api_types_JWTKey } from '../../../spire/api/types/JWTKey.ts';
import type { WITKey$Input as _spire_api_types_WITKey$Input, WITKey as _spire_api_types_WITKey } from '../../../spire/api/types/WITKey.ts';
import type { Long } from '@grpc/proto-loader';

export interface Bundle$Input {
  'trust_domain'?: (string);
  'x509_authorities'?: (_spire_api_types_X509Certificate$Input)[];
  'jwt_authorities'?: (_spire_api_types_JWTKey$Input)[];
  'refresh_hint'?: (number | string | Long);
  'sequence_number'?: (number | string | Long);
  'wit_authorities'?: (_spire_api_types_WITKey$Input)[];
}

export interface Bundle {
  'trust_domain': (string);
  'x509_authorities': (_spire_api_types_X509Certificate)[];
  'jwt_authorities': (_spire_api_types_JWTKey)[];
  'refresh_hint': (string);
  'sequence_number': (string);
  'wit_authorities': (_spire_api_types_WITKey)[];
}
