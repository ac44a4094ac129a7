import type { Long } from '@grpc/proto-loader';

export interface NowResponse$Input {
  'now_ms'?: (number | string | Long);
}

export interface NowResponse {
  'now_ms': (string);
}
