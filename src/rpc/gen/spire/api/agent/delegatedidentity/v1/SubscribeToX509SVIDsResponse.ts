import type { X509SVIDWithKey$Input as _spire_api_agent_delegatedidentity_v1_X509SVIDWithKey$Input, X509SVIDWithKey as _spire_api_agent_delegatedidentity_v1_X509SVIDWithKey } from '../../../../../spire/api/agent/delegatedidentity/v1/X509SVIDWithKey.ts';

export interface SubscribeToX509SVIDsResponse$Input {
  'x509_svids'?: (_spire_api_agent_delegatedidentity_v1_X509SVIDWithKey$Input)[];
  'federates_with'?: (string)[];
}

export interface SubscribeToX509SVIDsResponse {
  'x509_svids': (_spire_api_agent_delegatedidentity_v1_X509SVIDWithKey)[];
  'federates_with': (string)[];
}
