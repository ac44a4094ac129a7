
export interface BoolValue$Input {
  'value'?: (boolean);
}

export interface BoolValue {
  'value': (boolean);
}
