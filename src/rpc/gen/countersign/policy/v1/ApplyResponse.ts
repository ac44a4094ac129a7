import type { Version$Input as _countersign_policy_v1_Version$Input, Version as _countersign_policy_v1_Version } from '../../../countersign/policy/v1/Version.ts';

export interface ApplyResponse$Input {
  'version'?: (_countersign_policy_v1_Version$Input | null);
  'changed'?: (boolean);
}

export interface ApplyResponse {
  'version': (_countersign_policy_v1_Version | null);
  'changed': (boolean);
}
