import type { SPIFFEID$Input as _spire_api_types_SPIFFEID$Input, SPIFFEID as _spire_api_types_SPIFFEID } from '../../../../../spire/api/types/SPIFFEID.ts';
import type { AgentMask$Input as _spire_api_types_AgentMask$Input, AgentMask as _spire_api_types_AgentMask } from '../../../../../spire/api/types/AgentMask.ts';

export interface GetAgentRequest$Input {
  'id'?: (_spire_api_types_SPIFFEID$Input | null);
  'output_mask'?: (_spire_api_types_AgentMask$Input | null);
}

export interface GetAgentRequest {
  'id': (_spire_api_types_SPIFFEID | null);
  'output_mask': (_spire_api_types_AgentMask | null);
}
