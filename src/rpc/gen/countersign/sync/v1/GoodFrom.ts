import type { Long } from '@grpc/proto-loader';

export interface GoodFrom$Input {
  'entry_id'?: (string);
  'x509_not_before'?: (number | string | Long);
  'jwt_issued_at'?: (number | string | Long);
}

export interface GoodFrom {
  'entry_id': (string);
  'x509_not_before': (string);
  'jwt_issued_at': (string);
}
