import type { Caller$Input as _countersign_legacy_v1_Caller$Input, Caller as _countersign_legacy_v1_Caller } from '../../../countersign/legacy/v1/Caller.ts';

export interface RemoveResponse$Input {
  'caller'?: (_countersign_legacy_v1_Caller$Input | null);
}

export interface RemoveResponse {
  'caller': (_countersign_legacy_v1_Caller | null);
}
