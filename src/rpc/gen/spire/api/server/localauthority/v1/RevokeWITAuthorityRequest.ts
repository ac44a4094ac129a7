
export interface RevokeWITAuthorityRequest$Input {
  'authority_id'?: (string);
}

export interface RevokeWITAuthorityRequest {
  'authority_id': (string);
}
