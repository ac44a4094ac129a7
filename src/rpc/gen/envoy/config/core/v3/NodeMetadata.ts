import type { NodeValue$Input as _envoy_config_core_v3_NodeValue$Input, NodeValue as _envoy_config_core_v3_NodeValue } from '../../../../envoy/config/core/v3/NodeValue.ts';

export interface NodeMetadata$Input {
  'fields'?: ({[key: string]: _envoy_config_core_v3_NodeValue$Input});
}

export interface NodeMetadata {
  'fields': ({[key: string]: _envoy_config_core_v3_NodeValue});
}
