
export interface Int32Value$Input {
  'value'?: (number);
}

export interface Int32Value {
  'value': (number);
}
