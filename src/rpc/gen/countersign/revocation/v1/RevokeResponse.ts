import type { Long } from '@grpc/proto-loader';

export interface RevokeResponse$Input {
  'number'?: (number | string | Long);
  'not_before'?: (number | string | Long);
  'ends_at'?: (number | string | Long);
  'known'?: (boolean);
  'tokens'?: (number | string | Long);
  'more_tokens'?: (boolean);
}

export interface RevokeResponse {
  'number': (string);
  'not_before': (string);
  'ends_at': (string);
  'known': (boolean);
  'tokens': (string);
  'more_tokens': (boolean);
}
