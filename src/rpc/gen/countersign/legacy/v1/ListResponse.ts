import type { Caller$Input as _countersign_legacy_v1_Caller$Input, Caller as _countersign_legacy_v1_Caller } from '../../../countersign/legacy/v1/Caller.ts';

export interface ListResponse$Input {
  'callers'?: (_countersign_legacy_v1_Caller$Input)[];
  'next_page_token'?: (string);
}

export interface ListResponse {
  'callers': (_countersign_legacy_v1_Caller)[];
  'next_page_token': (string);
}
