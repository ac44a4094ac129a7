
export interface NewJWTSVIDRequest$Input {
  'entry_id'?: (string);
  'audience'?: (string)[];
}

export interface NewJWTSVIDRequest {
  'entry_id': (string);
  'audience': (string)[];
}
