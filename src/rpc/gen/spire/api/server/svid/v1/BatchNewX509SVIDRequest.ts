import type { NewX509SVIDParams$Input as _spire_api_server_svid_v1_NewX509SVIDParams$Input, NewX509SVIDParams as _spire_api_server_svid_v1_NewX509SVIDParams } from '../../../../../spire/api/server/svid/v1/NewX509SVIDParams.ts';

export interface BatchNewX509SVIDRequest$Input {
  'params'?: (_spire_api_server_svid_v1_NewX509SVIDParams$Input)[];
}

export interface BatchNewX509SVIDRequest {
  'params': (_spire_api_server_svid_v1_NewX509SVIDParams)[];
}
