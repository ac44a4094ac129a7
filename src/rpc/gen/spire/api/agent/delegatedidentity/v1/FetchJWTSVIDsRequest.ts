import type { Selector$Input as _spire_api_types_Selector$Input, Selector as _spire_api_types_Selector } from '../../../../../spire/api/types/Selector.ts';

export interface FetchJWTSVIDsRequest$Input {
  'audience'?: (string)[];
  'selectors'?: (_spire_api_types_Selector$Input)[];
  'pid'?: (number);
}

export interface FetchJWTSVIDsRequest {
  'audience': (string)[];
  'selectors': (_spire_api_types_Selector)[];
  'pid': (number);
}
