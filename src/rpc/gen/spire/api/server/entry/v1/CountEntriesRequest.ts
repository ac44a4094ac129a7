import type { SPIFFEID$Input as _spire_api_types_SPIFFEID$Input, SPIFFEID as _spire_api_types_SPIFFEID } from '../../../../../spire/api/types/SPIFFEID.ts';
import type { SelectorMatch$Input as _spire_api_types_SelectorMatch$Input, SelectorMatch as _spire_api_types_SelectorMatch } from '../../../../../spire/api/types/SelectorMatch.ts';
import type { FederatesWithMatch$Input as _spire_api_types_FederatesWithMatch$Input, FederatesWithMatch as _spire_api_types_FederatesWithMatch } from '../../../../../spire/api/types/FederatesWithMatch.ts';
import type { StringValue$Input as _google_protobuf_StringValue$Input, StringValue as _google_protobuf_StringValue } from '../../../../../google/protobuf/StringValue.ts';
import type { BoolValue$Input as _google_protobuf_BoolValue$Input, BoolValue as _google_protobuf_BoolValue } from '../../../../../google/protobuf/BoolValue.ts';

export interface _spire_api_server_entry_v1_CountEntriesRequest_Filter$Input {
  'by_spiffe_id'?: (_spire_api_types_SPIFFEID$Input | null);
  'by_parent_id'?: (_spire_api_types_SPIFFEID$Input | null);
  'by_selectors'?: (_spire_api_types_SelectorMatch$Input | null);
  'by_federates_with'?: (_spire_api_types_FederatesWithMatch$Input | null);
  'by_hint'?: (_google_protobuf_StringValue$Input | null);
  'by_downstream'?: (_google_protobuf_BoolValue$Input | null);
}

export interface _spire_api_server_entry_v1_CountEntriesRequest_Filter {
  'by_spiffe_id': (_spire_api_types_SPIFFEID | null);
  'by_parent_id': (_spire_api_types_SPIFFEID | null);
  'by_selectors': (_spire_api_types_SelectorMatch | null);
  'by_federates_with': (_spire_api_types_FederatesWithMatch | null);
  'by_hint': (_google_protobuf_StringValue | null);
  'by_downstream': (_google_protobuf_BoolValue | null);
}

export interface CountEntriesRequest$Input {
  'filter'?: (_spire_api_server_entry_v1_CountEntriesRequest_Filter$Input | null);
}

export interface CountEntriesRequest {
  'filter': (_spire_api_server_entry_v1_CountEntriesRequest_Filter | null);
}
