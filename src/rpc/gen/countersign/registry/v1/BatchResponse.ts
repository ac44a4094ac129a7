import type { Status$Input as _spire_api_types_Status$Input, Status as _spire_api_types_Status } from '../../../spire/api/types/Status.ts';
import type { RegisteredEntry$Input as _countersign_registry_v1_RegisteredEntry$Input, RegisteredEntry as _countersign_registry_v1_RegisteredEntry } from '../../../countersign/registry/v1/RegisteredEntry.ts';
import type { Long } from '@grpc/proto-loader';

export interface _countersign_registry_v1_BatchResponse_Result$Input {
  'status'?: (_spire_api_types_Status$Input | null);
  'entry'?: (_countersign_registry_v1_RegisteredEntry$Input | null);
  'reason'?: (string);
  'existing_id'?: (string);
  'warnings'?: (string)[];
  'fix'?: (string);
}

export interface _countersign_registry_v1_BatchResponse_Result {
  'status': (_spire_api_types_Status | null);
  'entry': (_countersign_registry_v1_RegisteredEntry | null);
  'reason': (string);
  'existing_id': (string);
  'warnings': (string)[];
  'fix': (string);
}

export interface BatchResponse$Input {
  'results'?: (_countersign_registry_v1_BatchResponse_Result$Input)[];
  'position'?: (number | string | Long);
}

export interface BatchResponse {
  'results': (_countersign_registry_v1_BatchResponse_Result)[];
  'position': (string);
}
