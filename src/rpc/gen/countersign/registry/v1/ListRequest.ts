import type { Filter$Input as _countersign_registry_v1_Filter$Input, Filter as _countersign_registry_v1_Filter } from '../../../countersign/registry/v1/Filter.ts';

export interface ListRequest$Input {
  'filter'?: (_countersign_registry_v1_Filter$Input | null);
  'page_size'?: (number);
  'page_token'?: (string);
}

export interface ListRequest {
  'filter': (_countersign_registry_v1_Filter | null);
  'page_size': (number);
  'page_token': (string);
}
