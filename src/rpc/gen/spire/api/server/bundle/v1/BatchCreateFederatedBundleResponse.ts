import type { Status$Input as _spire_api_types_Status$Input, Status as _spire_api_types_Status } from '../../../../../spire/api/types/Status.ts';
import type { Bundle$Input as _spire_api_types_Bundle$Input, Bundle as _spire_api_types_Bundle } from '../../../../../spire/api/types/Bundle.ts';

export interface _spire_api_server_bundle_v1_BatchCreateFederatedBundleResponse_Result$Input {
  'status'?: (_spire_api_types_Status$Input | null);
  'bundle'?: (_spire_api_types_Bundle$Input | null);
}

export interface _spire_api_server_bundle_v1_BatchCreateFederatedBundleResponse_Result {
  'status': (_spire_api_types_Status | null);
  'bundle': (_spire_api_types_Bundle | null);
}

export interface BatchCreateFederatedBundleResponse$Input {
  'results'?: (_spire_api_server_bundle_v1_BatchCreateFederatedBundleResponse_Result$Input)[];
}

export interface BatchCreateFederatedBundleResponse {
  'results': (_spire_api_server_bundle_v1_BatchCreateFederatedBundleResponse_Result)[];
}
