
export interface Selector$Input {
  'type'?: (string);
  'value'?: (string);
}

export interface Selector {
  'type': (string);
  'value': (string);
}
