import type { WITKey$Input as _spire_api_types_WITKey$Input, WITKey as _spire_api_types_WITKey } from '../../../../../spire/api/types/WITKey.ts';

export interface PublishWITAuthorityResponse$Input {
  'wit_authorities'?: (_spire_api_types_WITKey$Input)[];
}

export interface PublishWITAuthorityResponse {
  'wit_authorities': (_spire_api_types_WITKey)[];
}
