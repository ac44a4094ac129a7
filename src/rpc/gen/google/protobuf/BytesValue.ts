
export interface BytesValue$Input {
  'value'?: (Buffer | Uint8Array | string);
}

export interface BytesValue {
  'value': (Buffer);
}
