
export interface ActivateJWTAuthorityRequest$Input {
  'authority_id'?: (string);
}

export interface ActivateJWTAuthorityRequest {
  'authority_id': (string);
}
