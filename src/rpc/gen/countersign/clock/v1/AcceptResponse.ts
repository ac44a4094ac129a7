import type { Long } from '@grpc/proto-loader';

export interface AcceptResponse$Input {
  'now_ms'?: (number | string | Long);
  'latest_seen_ms'?: (number | string | Long);
}

export interface AcceptResponse {
  'now_ms': (string);
  'latest_seen_ms': (string);
}
