
export interface MintX509SVIDRequest$Input {
  'csr'?: (Buffer | Uint8Array | string);
  'ttl'?: (number);
}

export interface MintX509SVIDRequest {
  'csr': (Buffer);
  'ttl': (number);
}
