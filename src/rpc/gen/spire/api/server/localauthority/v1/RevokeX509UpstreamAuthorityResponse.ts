
export interface RevokeX509UpstreamAuthorityResponse$Input {
  'upstream_authority_subject_key_id'?: (string);
}

export interface RevokeX509UpstreamAuthorityResponse {
  'upstream_authority_subject_key_id': (string);
}
