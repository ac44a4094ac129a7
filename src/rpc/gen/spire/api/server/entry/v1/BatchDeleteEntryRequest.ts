
export interface BatchDeleteEntryRequest$Input {
  'ids'?: (string)[];
}

export interface BatchDeleteEntryRequest {
  'ids': (string)[];
}
