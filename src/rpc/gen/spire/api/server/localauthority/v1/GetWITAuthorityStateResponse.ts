import type { AuthorityState$Input as _spire_api_server_localauthority_v1_AuthorityState$Input, AuthorityState as _spire_api_server_localauthority_v1_AuthorityState } from '../../../../../spire/api/server/localauthority/v1/AuthorityState.ts';

export interface GetWITAuthorityStateResponse$Input {
  'active'?: (_spire_api_server_localauthority_v1_AuthorityState$Input | null);
  'prepared'?: (_spire_api_server_localauthority_v1_AuthorityState$Input | null);
  'old'?: (_spire_api_server_localauthority_v1_AuthorityState$Input | null);
}

export interface GetWITAuthorityStateResponse {
  'active': (_spire_api_server_localauthority_v1_AuthorityState | null);
  'prepared': (_spire_api_server_localauthority_v1_AuthorityState | null);
  'old': (_spire_api_server_localauthority_v1_AuthorityState | null);
}
