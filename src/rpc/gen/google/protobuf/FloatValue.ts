
export interface FloatValue$Input {
  'value'?: (number | string);
}

export interface FloatValue {
  'value': (number);
}
