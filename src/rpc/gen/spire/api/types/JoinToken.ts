import type { Long } from '@grpc/proto-loader';

export interface JoinToken$Input {
  'value'?: (string);
  'expires_at'?: (number | string | Long);
}

export interface JoinToken {
  'value': (string);
  'expires_at': (string);
}
