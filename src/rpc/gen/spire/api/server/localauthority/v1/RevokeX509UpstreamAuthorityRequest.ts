
export interface RevokeX509UpstreamAuthorityRequest$Input {
  'subject_key_id'?: (string);
}

export interface RevokeX509UpstreamAuthorityRequest {
  'subject_key_id': (string);
}
