
export interface NewWITSVIDParams$Input {
  'entry_id'?: (string);
  'public_key'?: (Buffer | Uint8Array | string);
  'signing_algorithm'?: (string);
}

export interface NewWITSVIDParams {
  'entry_id': (string);
  'public_key': (Buffer);
  'signing_algorithm': (string);
}
