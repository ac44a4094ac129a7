
export interface UInt32Value$Input {
  'value'?: (number);
}

export interface UInt32Value {
  'value': (number);
}
