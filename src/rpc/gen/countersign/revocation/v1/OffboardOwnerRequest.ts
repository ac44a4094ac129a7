
export interface OffboardOwnerRequest$Input {
  'owner'?: (string);
  'reason'?: (string);
}

export interface OffboardOwnerRequest {
  'owner': (string);
  'reason': (string);
}
