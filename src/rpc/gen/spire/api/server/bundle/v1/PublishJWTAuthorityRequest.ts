import type { JWTKey$Input as _spire_api_types_JWTKey$Input, JWTKey as _spire_api_types_JWTKey } from '../../../../../spire/api/types/JWTKey.ts';

export interface PublishJWTAuthorityRequest$Input {
  'jwt_authority'?: (_spire_api_types_JWTKey$Input | null);
}

export interface PublishJWTAuthorityRequest {
  'jwt_authority': (_spire_api_types_JWTKey | null);
}
