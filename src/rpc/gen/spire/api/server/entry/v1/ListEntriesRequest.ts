import type { EntryMask$Input as _spire_api_types_EntryMask$Input, EntryMask as _spire_api_types_EntryMask } from '../../../../../spire/api/types/EntryMask.ts';
import type { SPIFFEID$Input as _spire_api_types_SPIFFEID$Input, SPIFFEID as _spire_api_types_SPIFFEID } from '../../../../../spire/api/types/SPIFFEID.ts';
import type { SelectorMatch$Input as _spire_api_types_SelectorMatch$Input, SelectorMatch as _spire_api_types_SelectorMatch } from '../../../../../spire/api/types/SelectorMatch.ts';
import type { FederatesWithMatch$Input as _spire_api_types_FederatesWithMatch$Input, FederatesWithMatch as _spire_api_types_FederatesWithMatch } from '../../../../../spire/api/types/FederatesWithMatch.ts';
import type { StringValue$Input as _google_protobuf_StringValue$Input, StringValue as _google_protobuf_StringValue } from '../../../../../google/protobuf/StringValue.ts';
import type { BoolValue$Input as _google_protobuf_BoolValue$Input, BoolValue as _google_protobuf_BoolValue } from '../../../../../google/protobuf/BoolValue.ts';

export interface _spire_api_server_entry_v1_ListEntriesRequest_Filter$Input {
  'by_spiffe_id'?: (_spire_api_types_SPIFFEID$Input | null);
  'by_parent_id'?: (_spire_api_types_SPIFFEID$Input | null);
  'by_selectors'?: (_spire_api_types_SelectorMatch$Input | null);
  'by_federates_with'?: (_spire_api_types_FederatesWithMatch$Input | null);
  'by_hint'?: (_google_protobuf_StringValue$Input | null);
  'by_downstream'?: (_google_protobuf_BoolValue$Input | null);
}

export interface _spire_api_server_entry_v1_ListEntriesRequest_Filter {
  'by_spiffe_id': (_spire_api_types_SPIFFEID | null);
  'by_parent_id': (_spire_api_types_SPIFFEID | null);
  'by_selectors': (_spire_api_types_SelectorMatch | null);
  'by_federates_with': (_spire_api_types_FederatesWithMatch | null);
  'by_hint': (_google_protobuf_StringValue | null);
  'by_downstream': (_google_protobuf_BoolValue | null);
}

export interface ListEntriesRequest$Input {
  'filter'?: (_spire_api_server_entry_v1_ListEntriesRequest_Filter$Input | null);
  'output_mask'?: (_spire_api_types_EntryMask$Input | null);
  'page_size'?: (number);
  'page_token'?: (string);
}

export interface ListEntriesRequest {
  'filter': (_spire_api_server_entry_v1_ListEntriesRequest_Filter | null);
  'output_mask': (_spire_api_types_EntryMask | null);
  'page_size': (number);
  'page_token': (string);
}
