import type { Bundle$Input as _spire_api_types_Bundle$Input, Bundle as _spire_api_types_Bundle } from '../../../../../spire/api/types/Bundle.ts';
import type { BundleMask$Input as _spire_api_types_BundleMask$Input, BundleMask as _spire_api_types_BundleMask } from '../../../../../spire/api/types/BundleMask.ts';

export interface BatchUpdateFederatedBundleRequest$Input {
  'bundle'?: (_spire_api_types_Bundle$Input)[];
  'input_mask'?: (_spire_api_types_BundleMask$Input | null);
  'output_mask'?: (_spire_api_types_BundleMask$Input | null);
}

export interface BatchUpdateFederatedBundleRequest {
  'bundle': (_spire_api_types_Bundle)[];
  'input_mask': (_spire_api_types_BundleMask | null);
  'output_mask': (_spire_api_types_BundleMask | null);
}
