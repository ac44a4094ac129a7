
export interface TaintX509UpstreamAuthorityRequest$Input {
  'subject_key_id'?: (string);
}

export interface TaintX509UpstreamAuthorityRequest {
  'subject_key_id': (string);
}
