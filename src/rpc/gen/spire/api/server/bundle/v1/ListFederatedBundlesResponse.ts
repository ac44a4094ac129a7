import type { Bundle$Input as _spire_api_types_Bundle$Input, Bundle as _spire_api_types_Bundle } from '../../../../../spire/api/types/Bundle.ts';

export interface ListFederatedBundlesResponse$Input {
  'bundles'?: (_spire_api_types_Bundle$Input)[];
  'next_page_token'?: (string);
}

export interface ListFederatedBundlesResponse {
  'bundles': (_spire_api_types_Bundle)[];
  'next_page_token': (string);
}
