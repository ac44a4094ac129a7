import type { WITKey$Input as _spire_api_types_WITKey$Input, WITKey as _spire_api_types_WITKey } from '../../../../../spire/api/types/WITKey.ts';

export interface PublishWITAuthorityRequest$Input {
  'wit_authority'?: (_spire_api_types_WITKey$Input | null);
}

export interface PublishWITAuthorityRequest {
  'wit_authority': (_spire_api_types_WITKey | null);
}
