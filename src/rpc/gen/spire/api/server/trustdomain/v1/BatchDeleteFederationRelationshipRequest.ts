
export interface BatchDeleteFederationRelationshipRequest$Input {
  'trust_domains'?: (string)[];
}

export interface BatchDeleteFederationRelationshipRequest {
  'trust_domains': (string)[];
}
