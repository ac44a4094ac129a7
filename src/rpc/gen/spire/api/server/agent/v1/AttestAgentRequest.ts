import type { AttestationData$Input as _spire_api_types_AttestationData$Input, AttestationData as _spire_api_types_AttestationData } from '../../../../../spire/api/types/AttestationData.ts';
import type { AgentX509SVIDParams$Input as _spire_api_server_agent_v1_AgentX509SVIDParams$Input, AgentX509SVIDParams as _spire_api_server_agent_v1_AgentX509SVIDParams } from '../../../../../spire/api/server/agent/v1/AgentX509SVIDParams.ts';

export interface _spire_api_server_agent_v1_AttestAgentRequest_Params$Input {
  'data'?: (_spire_api_types_AttestationData$Input | null);
  'params'?: (_spire_api_server_agent_v1_AgentX509SVIDParams$Input | null);
}

export interface _spire_api_server_agent_v1_AttestAgentRequest_Params {
  'data': (_spire_api_types_AttestationData | null);
  'params': (_spire_api_server_agent_v1_AgentX509SVIDParams | null);
}

export interface AttestAgentRequest$Input {
  'params'?: (_spire_api_server_agent_v1_AttestAgentRequest_Params$Input | null);
  'challenge_response'?: (Buffer | Uint8Array | string);
  'step'?: "params"|"challenge_response";
}

export interface AttestAgentRequest {
  'params'?: (_spire_api_server_agent_v1_AttestAgentRequest_Params | null);
  'challenge_response'?: (Buffer);
  'step'?: "params"|"challenge_response";
}
