
export interface _countersign_registry_v1_WaitAppliedResponse_AgentState$Input {
  'agent_id'?: (string);
  'connected'?: (boolean);
  'applied'?: (boolean);
}

export interface _countersign_registry_v1_WaitAppliedResponse_AgentState {
  'agent_id': (string);
  'connected': (boolean);
  'applied': (boolean);
}

export interface WaitAppliedResponse$Input {
  'agents'?: (_countersign_registry_v1_WaitAppliedResponse_AgentState$Input)[];
}

export interface WaitAppliedResponse {
  'agents': (_countersign_registry_v1_WaitAppliedResponse_AgentState)[];
}
