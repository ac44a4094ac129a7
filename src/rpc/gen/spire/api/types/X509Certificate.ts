
export interface X509Certificate$Input {
  'asn1'?: (Buffer | Uint8Array | string);
  'tainted'?: (boolean);
}

export interface X509Certificate {
  'asn1': (Buffer);
  'tainted': (boolean);
}
