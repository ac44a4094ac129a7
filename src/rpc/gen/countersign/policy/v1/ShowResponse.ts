import type { Version$Input as _countersign_policy_v1_Version$Input, Version as _countersign_policy_v1_Version } from '../../../countersign/policy/v1/Version.ts';
import type { File$Input as _countersign_policy_v1_File$Input, File as _countersign_policy_v1_File } from '../../../countersign/policy/v1/File.ts';

export interface ShowResponse$Input {
  'version'?: (_countersign_policy_v1_Version$Input | null);
  'files'?: (_countersign_policy_v1_File$Input)[];
}

export interface ShowResponse {
  'version': (_countersign_policy_v1_Version | null);
  'files': (_countersign_policy_v1_File)[];
}
