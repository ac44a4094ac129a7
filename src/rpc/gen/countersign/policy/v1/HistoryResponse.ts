import type { Version$Input as _countersign_policy_v1_Version$Input, Version as _countersign_policy_v1_Version } from '../../../countersign/policy/v1/Version.ts';

export interface HistoryResponse$Input {
  'versions'?: (_countersign_policy_v1_Version$Input)[];
}

export interface HistoryResponse {
  'versions': (_countersign_policy_v1_Version)[];
}
