import type { Node$Input as _envoy_config_core_v3_Node$Input, Node as _envoy_config_core_v3_Node } from '../../../../envoy/config/core/v3/Node.ts';
import type { Status$Input as _google_rpc_Status$Input, Status as _google_rpc_Status } from '../../../../google/rpc/Status.ts';

export interface DeltaDiscoveryRequest$Input {
  'node'?: (_envoy_config_core_v3_Node$Input | null);
  'type_url'?: (string);
  'resource_names_subscribe'?: (string)[];
  'resource_names_unsubscribe'?: (string)[];
  'initial_resource_versions'?: ({[key: string]: string});
  'response_nonce'?: (string);
  'error_detail'?: (_google_rpc_Status$Input | null);
}

export interface DeltaDiscoveryRequest {
  'node': (_envoy_config_core_v3_Node | null);
  'type_url': (string);
  'resource_names_subscribe': (string)[];
  'resource_names_unsubscribe': (string)[];
  'initial_resource_versions': ({[key: string]: string});
  'response_nonce': (string);
  'error_detail': (_google_rpc_Status | null);
}
