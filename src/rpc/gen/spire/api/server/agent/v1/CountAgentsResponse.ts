
export interface CountAgentsResponse$Input {
  'count'?: (number);
}

export interface CountAgentsResponse {
  'count': (number);
}
