import type { Filter$Input as _countersign_oauth_v1_Filter$Input, Filter as _countersign_oauth_v1_Filter } from '../../../countersign/oauth/v1/Filter.ts';

export interface ListRequest$Input {
  'filter'?: (_countersign_oauth_v1_Filter$Input | null);
}

export interface ListRequest {
  'filter': (_countersign_oauth_v1_Filter | null);
}
