import type { NodeMetadata$Input as _envoy_config_core_v3_NodeMetadata$Input, NodeMetadata as _envoy_config_core_v3_NodeMetadata } from '../../../../envoy/config/core/v3/NodeMetadata.ts';

export interface Node$Input {
  'metadata'?: (_envoy_config_core_v3_NodeMetadata$Input | null);
}

export interface Node {
  'metadata': (_envoy_config_core_v3_NodeMetadata | null);
}
