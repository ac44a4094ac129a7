
export interface RevokeJWTAuthorityRequest$Input {
  'authority_id'?: (string);
}

export interface RevokeJWTAuthorityRequest {
  'authority_id': (string);
}
