import type { Long } from '@grpc/proto-loader';

export interface UInt64Value$Input {
  'value'?: (number | string | Long);
}

export interface UInt64Value {
  'value': (string);
}
