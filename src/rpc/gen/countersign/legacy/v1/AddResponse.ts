import type { Caller$Input as _countersign_legacy_v1_Caller$Input, Caller as _countersign_legacy_v1_Caller } from '../../../countersign/legacy/v1/Caller.ts';

export interface AddResponse$Input {
  'caller'?: (_countersign_legacy_v1_Caller$Input | null);
  'key'?: (string);
  'no_edges'?: (boolean);
}

export interface AddResponse {
  'caller': (_countersign_legacy_v1_Caller | null);
  'key': (string);
  'no_edges': (boolean);
}
