
export interface Status$Input {
  'code'?: (number);
  'message'?: (string);
}

export interface Status {
  'code': (number);
  'message': (string);
}
