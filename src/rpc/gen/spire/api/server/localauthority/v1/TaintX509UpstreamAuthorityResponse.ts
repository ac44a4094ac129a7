
export interface TaintX509UpstreamAuthorityResponse$Input {
  'upstream_authority_subject_key_id'?: (string);
}

export interface TaintX509UpstreamAuthorityResponse {
  'upstream_authority_subject_key_id': (string);
}
