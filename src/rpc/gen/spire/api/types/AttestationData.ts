
export interface AttestationData$Input {
  'type'?: (string);
  'payload'?: (Buffer | Uint8Array | string);
}

export interface AttestationData {
  'type': (string);
  'payload': (Buffer);
}
