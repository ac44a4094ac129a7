
export interface JWTSVIDRequest$Input {
  'audience'?: (string)[];
  'spiffe_id'?: (string);
}

export interface JWTSVIDRequest {
  'audience': (string)[];
  'spiffe_id': (string);
}
