
export interface TaintJWTAuthorityRequest$Input {
  'authority_id'?: (string);
}

export interface TaintJWTAuthorityRequest {
  'authority_id': (string);
}
