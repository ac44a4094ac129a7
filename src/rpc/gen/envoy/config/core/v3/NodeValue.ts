
export interface NodeValue$Input {
  'bool_value'?: (boolean);
  'kind'?: "bool_value";
}

export interface NodeValue {
  'bool_value'?: (boolean);
  'kind'?: "bool_value";
}
