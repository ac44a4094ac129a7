import type { Long } from '@grpc/proto-loader';

export interface _countersign_oauth_v1_ListTokensResponse_Token$Input {
  'jti'?: (string);
  'txn'?: (string);
  'parent'?: (string);
  'client_id'?: (string);
  'subject'?: (string);
  'audience'?: (string);
  'scopes'?: (string)[];
  'entry_id'?: (string);
  'owner'?: (string);
  'actors'?: (string)[];
  'issued_at_ms'?: (number | string | Long);
  'expires_at_ms'?: (number | string | Long);
}

export interface _countersign_oauth_v1_ListTokensResponse_Token {
  'jti': (string);
  'txn': (string);
  'parent': (string);
  'client_id': (string);
  'subject': (string);
  'audience': (string);
  'scopes': (string)[];
  'entry_id': (string);
  'owner': (string);
  'actors': (string)[];
  'issued_at_ms': (string);
  'expires_at_ms': (string);
}

export interface ListTokensResponse$Input {
  'tokens'?: (_countersign_oauth_v1_ListTokensResponse_Token$Input)[];
  'next_page_token'?: (string);
}

export interface ListTokensResponse {
  'tokens': (_countersign_oauth_v1_ListTokensResponse_Token)[];
  'next_page_token': (string);
}
