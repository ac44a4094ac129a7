import type { Resource$Input as _envoy_service_discovery_v3_Resource$Input, Resource as _envoy_service_discovery_v3_Resource } from '../../../../envoy/service/discovery/v3/Resource.ts';
import type { ResourceError$Input as _envoy_service_discovery_v3_ResourceError$Input, ResourceError as _envoy_service_discovery_v3_ResourceError } from '../../../../envoy/service/discovery/v3/ResourceError.ts';

export interface DeltaDiscoveryResponse$Input {
  'system_version_info'?: (string);
  'resources'?: (_envoy_service_discovery_v3_Resource$Input)[];
  'type_url'?: (string);
  'nonce'?: (string);
  'removed_resources'?: (string)[];
  'resource_errors'?: (_envoy_service_discovery_v3_ResourceError$Input)[];
}

export interface DeltaDiscoveryResponse {
  'system_version_info': (string);
  'resources': (_envoy_service_discovery_v3_Resource)[];
  'type_url': (string);
  'nonce': (string);
  'removed_resources': (string)[];
  'resource_errors': (_envoy_service_discovery_v3_ResourceError)[];
}
