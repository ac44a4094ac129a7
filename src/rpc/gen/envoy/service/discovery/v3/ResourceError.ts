import type { ResourceName$Input as _envoy_service_discovery_v3_ResourceName$Input, ResourceName as _envoy_service_discovery_v3_ResourceName } from '../../../../envoy/service/discovery/v3/ResourceName.ts';
import type { Status$Input as _google_rpc_Status$Input, Status as _google_rpc_Status } from '../../../../google/rpc/Status.ts';

export interface ResourceError$Input {
  'resource_name'?: (_envoy_service_discovery_v3_ResourceName$Input | null);
  'error_detail'?: (_google_rpc_Status$Input | null);
}

export interface ResourceError {
  'resource_name': (_envoy_service_discovery_v3_ResourceName | null);
  'error_detail': (_google_rpc_Status | null);
}
