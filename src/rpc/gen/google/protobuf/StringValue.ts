
export interface StringValue$Input {
  'value'?: (string);
}

export interface StringValue {
  'value': (string);
}
