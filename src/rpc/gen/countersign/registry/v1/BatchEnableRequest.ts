
export interface BatchEnableRequest$Input {
  'ids'?: (string)[];
  'reason'?: (string);
  'atomic'?: (boolean);
}

export interface BatchEnableRequest {
  'ids': (string)[];
  'reason': (string);
  'atomic': (boolean);
}
