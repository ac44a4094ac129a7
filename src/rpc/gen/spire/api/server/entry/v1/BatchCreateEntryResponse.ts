import type { Status$Input as _spire_api_types_Status$Input, Status as _spire_api_types_Status } from '../../../../../spire/api/types/Status.ts';
import type { Entry$Input as _spire_api_types_Entry$Input, Entry as _spire_api_types_Entry } from '../../../../../spire/api/types/Entry.ts';

export interface _spire_api_server_entry_v1_BatchCreateEntryResponse_Result$Input {
  'status'?: (_spire_api_types_Status$Input | null);
  'entry'?: (_spire_api_types_Entry$Input | null);
}

export interface _spire_api_server_entry_v1_BatchCreateEntryResponse_Result {
  'status': (_spire_api_types_Status | null);
  'entry': (_spire_api_types_Entry | null);
}

export interface BatchCreateEntryResponse$Input {
  'results'?: (_spire_api_server_entry_v1_BatchCreateEntryResponse_Result$Input)[];
}

export interface BatchCreateEntryResponse {
  'results': (_spire_api_server_entry_v1_BatchCreateEntryResponse_Result)[];
}
