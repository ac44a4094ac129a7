import type { JWTKey$Input as _spire_api_types_JWTKey$Input, JWTKey as _spire_api_types_JWTKey } from '../../../../../spire/api/types/JWTKey.ts';

export interface PublishJWTAuthorityResponse$Input {
  'jwt_authorities'?: (_spire_api_types_JWTKey$Input)[];
}

export interface PublishJWTAuthorityResponse {
  'jwt_authorities': (_spire_api_types_JWTKey)[];
}
