
export interface _countersign_policy_v1_ExplainResponse_Answer$Input {
  'entry_id'?: (string);
  'owner'?: (string);
  'allowed'?: (boolean);
  'reason'?: (string);
  'deciding'?: (_countersign_policy_v1_ExplainResponse_Policy$Input)[];
  'nearest'?: (_countersign_policy_v1_ExplainResponse_Policy$Input)[];
}

export interface _countersign_policy_v1_ExplainResponse_Answer {
  'entry_id': (string);
  'owner': (string);
  'allowed': (boolean);
  'reason': (string);
  'deciding': (_countersign_policy_v1_ExplainResponse_Policy)[];
  'nearest': (_countersign_policy_v1_ExplainResponse_Policy)[];
}

export interface _countersign_policy_v1_ExplainResponse_Policy$Input {
  'id'?: (string);
  'place'?: (string);
  'text'?: (string);
  'missing'?: (string)[];
}

export interface _countersign_policy_v1_ExplainResponse_Policy {
  'id': (string);
  'place': (string);
  'text': (string);
  'missing': (string)[];
}

export interface ExplainResponse$Input {
  'answers'?: (_countersign_policy_v1_ExplainResponse_Answer$Input)[];
  'revision'?: (string);
}

export interface ExplainResponse {
  'answers': (_countersign_policy_v1_ExplainResponse_Answer)[];
  'revision': (string);
}
