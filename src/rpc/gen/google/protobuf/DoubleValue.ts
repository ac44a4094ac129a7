
export interface DoubleValue$Input {
  'value'?: (number | string);
}

export interface DoubleValue {
  'value': (number);
}
