import type { Filter$Input as _countersign_registry_v1_Filter$Input, Filter as _countersign_registry_v1_Filter } from '../../../countersign/registry/v1/Filter.ts';

export interface CountRequest$Input {
  'filter'?: (_countersign_registry_v1_Filter$Input | null);
}

export interface CountRequest {
  'filter': (_countersign_registry_v1_Filter | null);
}
