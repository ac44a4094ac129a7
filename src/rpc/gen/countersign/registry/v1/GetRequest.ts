
export interface GetRequest$Input {
  'id'?: (string);
}

export interface GetRequest {
  'id': (string);
}
