import type { NewWITSVIDParams$Input as _spire_api_server_svid_v1_NewWITSVIDParams$Input, NewWITSVIDParams as _spire_api_server_svid_v1_NewWITSVIDParams } from '../../../../../spire/api/server/svid/v1/NewWITSVIDParams.ts';

export interface BatchNewWITSVIDRequest$Input {
  'params'?: (_spire_api_server_svid_v1_NewWITSVIDParams$Input)[];
}

export interface BatchNewWITSVIDRequest {
  'params': (_spire_api_server_svid_v1_NewWITSVIDParams)[];
}
