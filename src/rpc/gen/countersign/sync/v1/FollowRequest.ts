import type { Long } from '@grpc/proto-loader';

export interface FollowRequest$Input {
  'log_id'?: (string);
  'applied'?: (number | string | Long);
}

export interface FollowRequest {
  'log_id': (string);
  'applied': (string);
}
