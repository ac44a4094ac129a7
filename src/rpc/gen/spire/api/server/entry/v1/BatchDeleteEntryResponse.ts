import type { Status$Input as _spire_api_types_Status$Input, Status as _spire_api_types_Status } from '../../../../../spire/api/types/Status.ts';

export interface _spire_api_server_entry_v1_BatchDeleteEntryResponse_Result$Input {
  'status'?: (_spire_api_types_Status$Input | null);
  'id'?: (string);
}

export interface _spire_api_server_entry_v1_BatchDeleteEntryResponse_Result {
  'status': (_spire_api_types_Status | null);
  'id': (string);
}

export interface BatchDeleteEntryResponse$Input {
  'results'?: (_spire_api_server_entry_v1_BatchDeleteEntryResponse_Result$Input)[];
}

export interface BatchDeleteEntryResponse {
  'results': (_spire_api_server_entry_v1_BatchDeleteEntryResponse_Result)[];
}
