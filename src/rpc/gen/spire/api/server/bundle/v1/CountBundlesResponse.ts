
export interface CountBundlesResponse$Input {
  'count'?: (number);
}

export interface CountBundlesResponse {
  'count': (number);
}
