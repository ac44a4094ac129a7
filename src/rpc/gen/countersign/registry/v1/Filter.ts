import type { _spire_api_server_entry_v1_ListEntriesRequest_Filter$Input, _spire_api_server_entry_v1_ListEntriesRequest_Filter } from '../../../spire/api/server/entry/v1/ListEntriesRequest.ts';
import type { BoolValue$Input as _google_protobuf_BoolValue$Input, BoolValue as _google_protobuf_BoolValue } from '../../../google/protobuf/BoolValue.ts';

export interface Filter$Input {
  'entry'?: (_spire_api_server_entry_v1_ListEntriesRequest_Filter$Input | null);
  'owner'?: (string);
  'labels'?: ({[key: string]: string});
  'disabled'?: (_google_protobuf_BoolValue$Input | null);
}

export interface Filter {
  'entry': (_spire_api_server_entry_v1_ListEntriesRequest_Filter | null);
  'owner': (string);
  'labels': ({[key: string]: string});
  'disabled': (_google_protobuf_BoolValue | null);
}
