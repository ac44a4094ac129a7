
export interface RevokeX509AuthorityRequest$Input {
  'authority_id'?: (string);
}

export interface RevokeX509AuthorityRequest {
  'authority_id': (string);
}
