
export interface ListRequest$Input {
  'page_size'?: (number);
  'page_token'?: (string);
}

export interface ListRequest {
  'page_size': (number);
  'page_token': (string);
}
