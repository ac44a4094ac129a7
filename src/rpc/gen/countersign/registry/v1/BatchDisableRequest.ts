
export interface BatchDisableRequest$Input {
  'ids'?: (string)[];
  'reason'?: (string);
  'atomic'?: (boolean);
}

export interface BatchDisableRequest {
  'ids': (string)[];
  'reason': (string);
  'atomic': (boolean);
}
