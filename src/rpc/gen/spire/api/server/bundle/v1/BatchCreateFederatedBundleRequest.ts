import type { Bundle$Input as _spire_api_types_Bundle$Input, Bundle as _spire_api_types_Bundle } from '../../../../../spire/api/types/Bundle.ts';
import type { BundleMask$Input as _spire_api_types_BundleMask$Input, BundleMask as _spire_api_types_BundleMask } from '../../../../../spire/api/types/BundleMask.ts';

export interface BatchCreateFederatedBundleRequest$Input {
  'bundle'?: (_spire_api_types_Bundle$Input)[];
  'output_mask'?: (_spire_api_types_BundleMask$Input | null);
}

export interface BatchCreateFederatedBundleRequest {
  'bundle': (_spire_api_types_Bundle)[];
  'output_mask': (_spire_api_types_BundleMask | null);
}
