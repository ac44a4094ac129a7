
export interface _countersign_policy_v1_ExplainRequest_Revocation$Input {
  'kind'?: (string);
  'id'?: (string);
  'client'?: (string);
  'audience'?: (string);
  'owner'?: (string);
}

export interface _countersign_policy_v1_ExplainRequest_Revocation {
  'kind': (string);
  'id': (string);
  'client': (string);
  'audience': (string);
  'owner': (string);
}

export interface _countersign_policy_v1_ExplainRequest_ShownToken$Input {
  'subject'?: (string);
  'audience'?: (string);
  'actors'?: (string)[];
}

export interface _countersign_policy_v1_ExplainRequest_ShownToken {
  'subject': (string);
  'audience': (string);
  'actors': (string)[];
}

export interface ExplainRequest$Input {
  'spiffe_id'?: (string);
  'resource'?: (string);
  'scopes'?: (string)[];
  'auth'?: (string);
  'address'?: (string);
  'shown'?: (_countersign_policy_v1_ExplainRequest_ShownToken$Input | null);
  'revoke'?: (_countersign_policy_v1_ExplainRequest_Revocation$Input | null);
  'operator'?: (string);
}

export interface ExplainRequest {
  'spiffe_id': (string);
  'resource': (string);
  'scopes': (string)[];
  'auth': (string);
  'address': (string);
  'shown': (_countersign_policy_v1_ExplainRequest_ShownToken | null);
  'revoke': (_countersign_policy_v1_ExplainRequest_Revocation | null);
  'operator': (string);
}
