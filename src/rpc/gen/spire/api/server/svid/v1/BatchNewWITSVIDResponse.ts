import type { Status$Input as _spire_api_types_Status$Input, Status as _spire_api_types_Status } from '../../../../../spire/api/types/Status.ts';
import type { WITSVID$Input as _spire_api_types_WITSVID$Input, WITSVID as _spire_api_types_WITSVID } from '../../../../../spire/api/types/WITSVID.ts';

export interface _spire_api_server_svid_v1_BatchNewWITSVIDResponse_Result$Input {
  'status'?: (_spire_api_types_Status$Input | null);
  'svid'?: (_spire_api_types_WITSVID$Input | null);
}

export interface _spire_api_server_svid_v1_BatchNewWITSVIDResponse_Result {
  'status': (_spire_api_types_Status | null);
  'svid': (_spire_api_types_WITSVID | null);
}

export interface BatchNewWITSVIDResponse$Input {
  'results'?: (_spire_api_server_svid_v1_BatchNewWITSVIDResponse_Result$Input)[];
}

export interface BatchNewWITSVIDResponse {
  'results': (_spire_api_server_svid_v1_BatchNewWITSVIDResponse_Result)[];
}
