import type { Node$Input as _envoy_config_core_v3_Node$Input, Node as _envoy_config_core_v3_Node } from '../../../../envoy/config/core/v3/Node.ts';
import type { Status$Input as _google_rpc_Status$Input, Status as _google_rpc_Status } from '../../../../google/rpc/Status.ts';

export interface DiscoveryRequest$Input {
  'version_info'?: (string);
  'node'?: (_envoy_config_core_v3_Node$Input | null);
  'resource_names'?: (string)[];
  'type_url'?: (string);
  'response_nonce'?: (string);
  'error_detail'?: (_google_rpc_Status$Input | null);
}

export interface DiscoveryRequest {
  'version_info': (string);
  'node': (_envoy_config_core_v3_Node | null);
  'resource_names': (string)[];
  'type_url': (string);
  'response_nonce': (string);
  'error_detail': (_google_rpc_Status | null);
}
