
export interface SPIFFEID$Input {
  'trust_domain'?: (string);
  'path'?: (string);
}

export interface SPIFFEID {
  'trust_domain': (string);
  'path': (string);
}
