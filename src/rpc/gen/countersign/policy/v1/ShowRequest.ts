
export interface ShowRequest$Input {
  'version'?: (number);
}

export interface ShowRequest {
  'version': (number);
}
