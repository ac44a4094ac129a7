import type { AuthorityState$Input as _spire_api_server_localauthority_v1_AuthorityState$Input, AuthorityState as _spire_api_server_localauthority_v1_AuthorityState } from '../../../../../spire/api/server/localauthority/v1/AuthorityState.ts';

export interface PrepareWITAuthorityResponse$Input {
  'prepared_authority'?: (_spire_api_server_localauthority_v1_AuthorityState$Input | null);
}

export interface PrepareWITAuthorityResponse {
  'prepared_authority': (_spire_api_server_localauthority_v1_AuthorityState | null);
}
