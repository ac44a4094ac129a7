
export interface RevokeRequest$Input {
  'kind'?: (string);
  'id'?: (string);
  'reason'?: (string);
}

export interface RevokeRequest {
  'kind': (string);
  'id': (string);
  'reason': (string);
}
