import type { Long } from '@grpc/proto-loader';

export interface PostStatusRequest$Input {
  'current_bundle_serial'?: (number | string | Long);
  'agent_version'?: (string);
}

export interface PostStatusRequest {
  'current_bundle_serial': (string);
  'agent_version': (string);
}
