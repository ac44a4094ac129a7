import type { File$Input as _countersign_policy_v1_File$Input, File as _countersign_policy_v1_File } from '../../../countersign/policy/v1/File.ts';

export interface ApplyRequest$Input {
  'files'?: (_countersign_policy_v1_File$Input)[];
}

export interface ApplyRequest {
  'files': (_countersign_policy_v1_File)[];
}
