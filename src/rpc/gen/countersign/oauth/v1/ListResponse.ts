import type { Long } from '@grpc/proto-loader';

export interface _countersign_oauth_v1_ListResponse_Grant$Input {
  'client_id'?: (string);
  'subject'?: (string);
  'audience'?: (string);
  'scopes'?: (string)[];
  'entry_id'?: (string);
  'owner'?: (string);
  'tokens'?: (number | string | Long);
  'expires_at_ms'?: (number | string | Long);
}

export interface _countersign_oauth_v1_ListResponse_Grant {
  'client_id': (string);
  'subject': (string);
  'audience': (string);
  'scopes': (string)[];
  'entry_id': (string);
  'owner': (string);
  'tokens': (string);
  'expires_at_ms': (string);
}

export interface ListResponse$Input {
  'grants'?: (_countersign_oauth_v1_ListResponse_Grant$Input)[];
  'more'?: (boolean);
}

export interface ListResponse {
  'grants': (_countersign_oauth_v1_ListResponse_Grant)[];
  'more': (boolean);
}
