
export interface JWTSVID$Input {
  'spiffe_id'?: (string);
  'svid'?: (string);
  'hint'?: (string);
}

export interface JWTSVID {
  'spiffe_id': (string);
  'svid': (string);
  'hint': (string);
}
