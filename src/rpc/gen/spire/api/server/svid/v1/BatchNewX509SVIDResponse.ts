import type { Status$Input as _spire_api_types_Status$Input, Status as _spire_api_types_Status } from '../../../../../spire/api/types/Status.ts';
import type { X509SVID$Input as _spire_api_types_X509SVID$Input, X509SVID as _spire_api_types_X509SVID } from '../../../../../spire/api/types/X509SVID.ts';

export interface _spire_api_server_svid_v1_BatchNewX509SVIDResponse_Result$Input {
  'status'?: (_spire_api_types_Status$Input | null);
  'svid'?: (_spire_api_types_X509SVID$Input | null);
}

export interface _spire_api_server_svid_v1_BatchNewX509SVIDResponse_Result {
  'status': (_spire_api_types_Status | null);
  'svid': (_spire_api_types_X509SVID | null);
}

export interface BatchNewX509SVIDResponse$Input {
  'results'?: (_spire_api_server_svid_v1_BatchNewX509SVIDResponse_Result$Input)[];
}

export interface BatchNewX509SVIDResponse {
  'results': (_spire_api_server_svid_v1_BatchNewX509SVIDResponse_Result)[];
}
