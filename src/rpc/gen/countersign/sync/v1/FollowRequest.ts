import type { Long } from '@grpc/proto-loader';

export interface FollowRequest$Input {
  'log_id'?: (string);
  'applied'?: (number | string | Long);
  'instance'?: (string);
}

export interface FollowRequest {
  'log_id': (string);
  'applied': (string);
  'instance': (string);
}
