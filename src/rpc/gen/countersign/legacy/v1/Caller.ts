import type { Long } from '@grpc/proto-loader';

export interface Caller$Input {
  'name'?: (string);
  'owner'?: (string);
  'purpose'?: (string);
  'labels'?: ({[key: string]: string});
  'networks'?: (string)[];
  'resource'?: (string);
  'scopes'?: (string)[];
  'expires_at_ms'?: (number | string | Long);
  'entry_id'?: (string);
  'spiffe_id'?: (string);
  'last_used_at_ms'?: (number | string | Long);
  'disabled_at_ms'?: (number | string | Long);
  'revoked_at_ms'?: (number | string | Long);
  'created_at_ms'?: (number | string | Long);
}

export interface Caller {
  'name': (string);
  'owner': (string);
  'purpose': (string);
  'labels': ({[key: string]: string});
  'networks': (string)[];
  'resource': (string);
  'scopes': (string)[];
  'expires_at_ms': (string);
  'entry_id': (string);
  'spiffe_id': (string);
  'last_used_at_ms': (string);
  'disabled_at_ms': (string);
  'revoked_at_ms': (string);
  'created_at_ms': (string);
}
