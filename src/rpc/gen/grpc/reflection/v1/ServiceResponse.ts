
export interface ServiceResponse$Input {
  'name'?: (string);
}

export interface ServiceResponse {
  'name': (string);
}
