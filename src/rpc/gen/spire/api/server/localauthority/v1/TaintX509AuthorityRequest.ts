
export interface TaintX509AuthorityRequest$Input {
  'authority_id'?: (string);
}

export interface TaintX509AuthorityRequest {
  'authority_id': (string);
}
