
export interface RemoveRequest$Input {
  'name'?: (string);
}

export interface RemoveRequest {
  'name': (string);
}
