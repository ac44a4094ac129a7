import type { SPIFFEID$Input as _spire_api_types_SPIFFEID$Input, SPIFFEID as _spire_api_types_SPIFFEID } from '../../../../../spire/api/types/SPIFFEID.ts';

export interface CreateJoinTokenRequest$Input {
  'ttl'?: (number);
  'token'?: (string);
  'agent_id'?: (_spire_api_types_SPIFFEID$Input | null);
}

export interface CreateJoinTokenRequest {
  'ttl': (number);
  'token': (string);
  'agent_id': (_spire_api_types_SPIFFEID | null);
}
