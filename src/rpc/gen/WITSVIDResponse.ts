import type { WITSVID$Input as _WITSVID$Input, WITSVID as _WITSVID } from './WITSVID.ts';

export interface WITSVIDResponse$Input {
  'svids'?: (_WITSVID$Input)[];
}

export interface WITSVIDResponse {
  'svids': (_WITSVID)[];
}
