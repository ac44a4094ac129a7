import type { Caller$Input as _countersign_legacy_v1_Caller$Input, Caller as _countersign_legacy_v1_Caller } from '../../../countersign/legacy/v1/Caller.ts';

export interface AddRequest$Input {
  'caller'?: (_countersign_legacy_v1_Caller$Input | null);
  'key'?: (string);
}

export interface AddRequest {
  'caller': (_countersign_legacy_v1_Caller | null);
  'key': (string);
}
