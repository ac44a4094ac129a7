
export interface Filter$Input {
  'spiffe_id'?: (string);
  'audience'?: (string);
  'owner'?: (string);
  'txn'?: (string);
}

export interface Filter {
  'spiffe_id': (string);
  'audience': (string);
  'owner': (string);
  'txn': (string);
}
