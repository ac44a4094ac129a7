
export interface TaintWITAuthorityRequest$Input {
  'authority_id'?: (string);
}

export interface TaintWITAuthorityRequest {
  'authority_id': (string);
}
