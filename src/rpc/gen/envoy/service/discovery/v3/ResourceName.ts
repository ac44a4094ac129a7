
export interface ResourceName$Input {
  'name'?: (string);
}

export interface ResourceName {
  'name': (string);
}
