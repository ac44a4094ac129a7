
export interface ActivateX509AuthorityRequest$Input {
  'authority_id'?: (string);
}

export interface ActivateX509AuthorityRequest {
  'authority_id': (string);
}
