
export interface ValidateJWTSVIDRequest$Input {
  'audience'?: (string);
  'svid'?: (string);
}

export interface ValidateJWTSVIDRequest {
  'audience': (string);
  'svid': (string);
}
