
export interface WITSVIDRequest$Input {
  'spiffe_id'?: (string);
}

export interface WITSVIDRequest {
  'spiffe_id': (string);
}
