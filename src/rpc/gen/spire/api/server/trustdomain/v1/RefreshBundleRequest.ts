
export interface RefreshBundleRequest$Input {
  'trust_domain'?: (string);
}

export interface RefreshBundleRequest {
  'trust_domain': (string);
}
