import type { SPIFFEID$Input as _spire_api_types_SPIFFEID$Input, SPIFFEID as _spire_api_types_SPIFFEID } from '../../../../../spire/api/types/SPIFFEID.ts';
import type { Long } from '@grpc/proto-loader';

export interface _spire_api_server_debug_v1_GetInfoResponse_Cert$Input {
  'id'?: (_spire_api_types_SPIFFEID$Input | null);
  'expires_at'?: (number | string | Long);
  'subject'?: (string);
}

export interface _spire_api_server_debug_v1_GetInfoResponse_Cert {
  'id': (_spire_api_types_SPIFFEID | null);
  'expires_at': (string);
  'subject': (string);
}

export interface GetInfoResponse$Input {
  'svid_chain'?: (_spire_api_server_debug_v1_GetInfoResponse_Cert$Input)[];
  'uptime'?: (number);
  'agents_count'?: (number);
  'federated_bundles_count'?: (number);
  'entries_count'?: (number);
}

export interface GetInfoResponse {
  'svid_chain': (_spire_api_server_debug_v1_GetInfoResponse_Cert)[];
  'uptime': (number);
  'agents_count': (number);
  'federated_bundles_count': (number);
  'entries_count': (number);
}
