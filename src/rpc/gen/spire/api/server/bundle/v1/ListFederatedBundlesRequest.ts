import type { BundleMask$Input as _spire_api_types_BundleMask$Input, BundleMask as _spire_api_types_BundleMask } from '../../../../../spire/api/types/BundleMask.ts';

export interface ListFederatedBundlesRequest$Input {
  'output_mask'?: (_spire_api_types_BundleMask$Input | null);
  'page_size'?: (number);
  'page_token'?: (string);
}

export interface ListFederatedBundlesRequest {
  'output_mask': (_spire_api_types_BundleMask | null);
  'page_size': (number);
  'page_token': (string);
}
