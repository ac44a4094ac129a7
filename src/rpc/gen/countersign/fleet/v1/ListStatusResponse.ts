import type { Long } from '@grpc/proto-loader';

export interface _countersign_fleet_v1_ListStatusResponse_AgentStatus$Input {
  'agent_id'?: (string);
  'connected'?: (boolean);
  'applied'?: (number | string | Long);
  'lag_ms'?: (number | string | Long);
  'address'?: (string);
  'connected_since_ms'?: (number | string | Long);
  'contended'?: (boolean);
}

export interface _countersign_fleet_v1_ListStatusResponse_AgentStatus {
  'agent_id': (string);
  'connected': (boolean);
  'applied': (string);
  'lag_ms': (string);
  'address': (string);
  'connected_since_ms': (string);
  'contended': (boolean);
}

export interface ListStatusResponse$Input {
  'agents'?: (_countersign_fleet_v1_ListStatusResponse_AgentStatus$Input)[];
  'position'?: (number | string | Long);
  'not_ready'?: (string);
}

export interface ListStatusResponse {
  'agents': (_countersign_fleet_v1_ListStatusResponse_AgentStatus)[];
  'position': (string);
  'not_ready': (string);
}
