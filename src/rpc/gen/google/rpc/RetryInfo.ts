import type { Duration$Input as _google_protobuf_Duration$Input, Duration as _google_protobuf_Duration } from '../../google/protobuf/Duration.ts';

export interface RetryInfo$Input {
  'retry_delay'?: (_google_protobuf_Duration$Input | null);
}

export interface RetryInfo {
  'retry_delay': (_google_protobuf_Duration | null);
}
