
export interface CountEntriesResponse$Input {
  'count'?: (number);
}

export interface CountEntriesResponse {
  'count': (number);
}
