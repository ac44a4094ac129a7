import type { X509SVID$Input as _spire_api_types_X509SVID$Input, X509SVID as _spire_api_types_X509SVID } from '../../../../../spire/api/types/X509SVID.ts';

export interface _spire_api_server_agent_v1_AttestAgentResponse_Result$Input {
  'svid'?: (_spire_api_types_X509SVID$Input | null);
  'reattestable'?: (boolean);
}

export interface _spire_api_server_agent_v1_AttestAgentResponse_Result {
  'svid': (_spire_api_types_X509SVID | null);
  'reattestable': (boolean);
}

export interface AttestAgentResponse$Input {
  'result'?: (_spire_api_server_agent_v1_AttestAgentResponse_Result$Input | null);
  'challenge'?: (Buffer | Uint8Array | string);
  'step'?: "result"|"challenge";
}

export interface AttestAgentResponse {
  'result'?: (_spire_api_server_agent_v1_AttestAgentResponse_Result | null);
  'challenge'?: (Buffer);
  'step'?: "result"|"challenge";
}
