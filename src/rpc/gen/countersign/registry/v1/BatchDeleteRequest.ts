
export interface BatchDeleteRequest$Input {
  'ids'?: (string)[];
  'atomic'?: (boolean);
}

export interface BatchDeleteRequest {
  'ids': (string)[];
  'atomic': (boolean);
}
