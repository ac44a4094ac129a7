import type { JWTSVID$Input as _spire_api_types_JWTSVID$Input, JWTSVID as _spire_api_types_JWTSVID } from '../../../../../spire/api/types/JWTSVID.ts';

export interface NewJWTSVIDResponse$Input {
  'svid'?: (_spire_api_types_JWTSVID$Input | null);
}

export interface NewJWTSVIDResponse {
  'svid': (_spire_api_types_JWTSVID | null);
}
