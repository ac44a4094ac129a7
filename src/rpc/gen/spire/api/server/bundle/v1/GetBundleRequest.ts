import type { BundleMask$Input as _spire_api_types_BundleMask$Input, BundleMask as _spire_api_types_BundleMask } from '../../../../../spire/api/types/BundleMask.ts';

export interface GetBundleRequest$Input {
  'output_mask'?: (_spire_api_types_BundleMask$Input | null);
}

export interface GetBundleRequest {
  'output_mask': (_spire_api_types_BundleMask | null);
}
