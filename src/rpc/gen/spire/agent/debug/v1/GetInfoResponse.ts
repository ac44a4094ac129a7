import type { SPIFFEID$Input as _spire_api_types_SPIFFEID$Input, SPIFFEID as _spire_api_types_SPIFFEID } from '../../../../spire/api/types/SPIFFEID.ts';
import type { Long } from '@grpc/proto-loader';

export interface _spire_agent_debug_v1_GetInfoResponse_Cert$Input {
  'id'?: (_spire_api_types_SPIFFEID$Input | null);
  'expires_at'?: (number | string | Long);
  'subject'?: (string);
}

export interface _spire_agent_debug_v1_GetInfoResponse_Cert {
  'id': (_spire_api_types_SPIFFEID | null);
  'expires_at': (string);
  'subject': (string);
}

export interface GetInfoResponse$Input {
  'svid_chain'?: (_spire_agent_debug_v1_GetInfoResponse_Cert$Input)[];
  'uptime'?: (number);
  'svids_count'?: (number);
  'last_sync_success'?: (number | string | Long);
  'cached_x509_svids_count'?: (number);
  'cached_jwt_svids_count'?: (number);
  'cached_svidstore_x509_svids_count'?: (number);
}

export interface GetInfoResponse {
  'svid_chain': (_spire_agent_debug_v1_GetInfoResponse_Cert)[];
  'uptime': (number);
  'svids_count': (number);
  'last_sync_success': (string);
  'cached_x509_svids_count': (number);
  'cached_jwt_svids_count': (number);
  'cached_svidstore_x509_svids_count': (number);
}
