
export interface ErrorInfo$Input {
  'reason'?: (string);
  'domain'?: (string);
  'metadata'?: ({[key: string]: string});
}

export interface ErrorInfo {
  'reason': (string);
  'domain': (string);
  'metadata': ({[key: string]: string});
}
