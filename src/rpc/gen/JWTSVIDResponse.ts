import type { JWTSVID$Input as _JWTSVID$Input, JWTSVID as _JWTSVID } from './JWTSVID.ts';

export interface JWTSVIDResponse$Input {
  'svids'?: (_JWTSVID$Input)[];
}

export interface JWTSVIDResponse {
  'svids': (_JWTSVID)[];
}
