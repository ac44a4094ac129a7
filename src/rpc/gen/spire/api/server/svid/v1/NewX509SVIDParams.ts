
export interface NewX509SVIDParams$Input {
  'entry_id'?: (string);
  'csr'?: (Buffer | Uint8Array | string);
}

export interface NewX509SVIDParams {
  'entry_id': (string);
  'csr': (Buffer);
}
