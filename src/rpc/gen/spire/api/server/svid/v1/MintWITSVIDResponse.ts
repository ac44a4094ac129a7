import type { WITSVID$Input as _spire_api_types_WITSVID$Input, WITSVID as _spire_api_types_WITSVID } from '../../../../../spire/api/types/WITSVID.ts';

export interface MintWITSVIDResponse$Input {
  'svid'?: (_spire_api_types_WITSVID$Input | null);
}

export interface MintWITSVIDResponse {
  'svid': (_spire_api_types_WITSVID | null);
}
