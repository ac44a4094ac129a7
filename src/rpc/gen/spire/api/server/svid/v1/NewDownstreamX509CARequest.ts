
export interface NewDownstreamX509CARequest$Input {
  'csr'?: (Buffer | Uint8Array | string);
  'preferred_ttl'?: (number);
}

export interface NewDownstreamX509CARequest {
  'csr': (Buffer);
  'preferred_ttl': (number);
}
