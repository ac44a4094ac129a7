import type { Long } from '@grpc/proto-loader';

export interface Int64Value$Input {
  'value'?: (number | string | Long);
}

export interface Int64Value {
  'value': (string);
}
