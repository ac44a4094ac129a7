import type { Long } from '@grpc/proto-loader';

export interface _countersign_federation_v1_ListStatusResponse_Status$Input {
  'trust_domain'?: (string);
  'confirmed_at_ms'?: (number | string | Long);
  'failures'?: (number);
  'failed_at_ms'?: (number | string | Long);
  'reason'?: (string);
  'message'?: (string);
  'stale_at_ms'?: (number | string | Long);
  'stale'?: (boolean);
  'stale_refused'?: (boolean);
}

export interface _countersign_federation_v1_ListStatusResponse_Status {
  'trust_domain': (string);
  'confirmed_at_ms': (string);
  'failures': (number);
  'failed_at_ms': (string);
  'reason': (string);
  'message': (string);
  'stale_at_ms': (string);
  'stale': (boolean);
  'stale_refused': (boolean);
}

export interface ListStatusResponse$Input {
  'relationships'?: (_countersign_federation_v1_ListStatusResponse_Status$Input)[];
}

export interface ListStatusResponse {
  'relationships': (_countersign_federation_v1_ListStatusResponse_Status)[];
}
