import type { JWTSVID$Input as _spire_api_types_JWTSVID$Input, JWTSVID as _spire_api_types_JWTSVID } from '../../../../../spire/api/types/JWTSVID.ts';

export interface FetchJWTSVIDsResponse$Input {
  'svids'?: (_spire_api_types_JWTSVID$Input)[];
}

export interface FetchJWTSVIDsResponse {
  'svids': (_spire_api_types_JWTSVID)[];
}
