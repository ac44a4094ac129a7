
export interface ActivateWITAuthorityRequest$Input {
  'authority_id'?: (string);
}

export interface ActivateWITAuthorityRequest {
  'authority_id': (string);
}
