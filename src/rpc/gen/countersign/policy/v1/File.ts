
export interface File$Input {
  'name'?: (string);
  'text'?: (string);
}

export interface File {
  'name': (string);
  'text': (string);
}
