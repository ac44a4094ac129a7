import type { SPIFFEID$Input as _spire_api_types_SPIFFEID$Input, SPIFFEID as _spire_api_types_SPIFFEID } from '../../../../../spire/api/types/SPIFFEID.ts';

export interface BanAgentRequest$Input {
  'id'?: (_spire_api_types_SPIFFEID$Input | null);
}

export interface BanAgentRequest {
  'id': (_spire_api_types_SPIFFEID | null);
}
