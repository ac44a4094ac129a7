import type { Filter$Input as _countersign_oauth_v1_Filter$Input, Filter as _countersign_oauth_v1_Filter } from '../../../countersign/oauth/v1/Filter.ts';

export interface ListTokensRequest$Input {
  'filter'?: (_countersign_oauth_v1_Filter$Input | null);
  'page_size'?: (number);
  'page_token'?: (string);
}

export interface ListTokensRequest {
  'filter': (_countersign_oauth_v1_Filter | null);
  'page_size': (number);
  'page_token': (string);
}
