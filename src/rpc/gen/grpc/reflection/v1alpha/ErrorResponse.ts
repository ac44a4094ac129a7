
export interface ErrorResponse$Input {
  'error_code'?: (number);
  'error_message'?: (string);
}

export interface ErrorResponse {
  'error_code': (number);
  'error_message': (string);
}
