
export interface BundleMask$Input {
  'x509_authorities'?: (boolean);
  'jwt_authorities'?: (boolean);
  'refresh_hint'?: (boolean);
  'sequence_number'?: (boolean);
  'wit_authorities'?: (boolean);
}

export interface BundleMask {
  'x509_authorities': (boolean);
  'jwt_authorities': (boolean);
  'refresh_hint': (boolean);
  'sequence_number': (boolean);
  'wit_authorities': (boolean);
}
