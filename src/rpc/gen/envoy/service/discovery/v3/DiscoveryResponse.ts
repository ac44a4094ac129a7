import type { Any$Input as _google_protobuf_Any$Input, Any as _google_protobuf_Any } from '../../../../google/protobuf/Any.ts';
import type { ResourceError$Input as _envoy_service_discovery_v3_ResourceError$Input, ResourceError as _envoy_service_discovery_v3_ResourceError } from '../../../../envoy/service/discovery/v3/ResourceError.ts';

export interface DiscoveryResponse$Input {
  'version_info'?: (string);
  'resources'?: (_google_protobuf_Any$Input)[];
  'type_url'?: (string);
  'nonce'?: (string);
  'resource_errors'?: (_envoy_service_discovery_v3_ResourceError$Input)[];
}

export interface DiscoveryResponse {
  'version_info': (string);
  'resources': (_google_protobuf_Any)[];
  'type_url': (string);
  'nonce': (string);
  'resource_errors': (_envoy_service_discovery_v3_ResourceError)[];
}
