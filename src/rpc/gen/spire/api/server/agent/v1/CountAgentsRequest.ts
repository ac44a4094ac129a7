import type { SelectorMatch$Input as _spire_api_types_SelectorMatch$Input, SelectorMatch as _spire_api_types_SelectorMatch } from '../../../../../spire/api/types/SelectorMatch.ts';
import type { BoolValue$Input as _google_protobuf_BoolValue$Input, BoolValue as _google_protobuf_BoolValue } from '../../../../../google/protobuf/BoolValue.ts';

export interface _spire_api_server_agent_v1_CountAgentsRequest_Filter$Input {
  'by_attestation_type'?: (string);
  'by_selector_match'?: (_spire_api_types_SelectorMatch$Input | null);
  'by_banned'?: (_google_protobuf_BoolValue$Input | null);
  'by_can_reattest'?: (_google_protobuf_BoolValue$Input | null);
  'by_expires_before'?: (string);
}

export interface _spire_api_server_agent_v1_CountAgentsRequest_Filter {
  'by_attestation_type': (string);
  'by_selector_match': (_spire_api_types_SelectorMatch | null);
  'by_banned': (_google_protobuf_BoolValue | null);
  'by_can_reattest': (_google_protobuf_BoolValue | null);
  'by_expires_before': (string);
}

export interface CountAgentsRequest$Input {
  'filter'?: (_spire_api_server_agent_v1_CountAgentsRequest_Filter$Input | null);
}

export interface CountAgentsRequest {
  'filter': (_spire_api_server_agent_v1_CountAgentsRequest_Filter | null);
}
