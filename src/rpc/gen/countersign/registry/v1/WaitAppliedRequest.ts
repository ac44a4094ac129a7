import type { Long } from '@grpc/proto-loader';

export interface WaitAppliedRequest$Input {
  'position'?: (number | string | Long);
  'entry_ids'?: (string)[];
  'timeout_ms'?: (number);
}

export interface WaitAppliedRequest {
  'position': (string);
  'entry_ids': (string)[];
  'timeout_ms': (number);
}
