
export interface CountResponse$Input {
  'count'?: (number);
}

export interface CountResponse {
  'count': (number);
}
