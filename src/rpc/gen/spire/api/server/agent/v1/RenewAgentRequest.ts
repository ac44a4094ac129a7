import type { AgentX509SVIDParams$Input as _spire_api_server_agent_v1_AgentX509SVIDParams$Input, AgentX509SVIDParams as _spire_api_server_agent_v1_AgentX509SVIDParams } from '../../../../../spire/api/server/agent/v1/AgentX509SVIDParams.ts';

export interface RenewAgentRequest$Input {
  'params'?: (_spire_api_server_agent_v1_AgentX509SVIDParams$Input | null);
}

export interface RenewAgentRequest {
  'params': (_spire_api_server_agent_v1_AgentX509SVIDParams | null);
}
