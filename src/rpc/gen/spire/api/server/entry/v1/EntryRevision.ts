import type { Long } from '@grpc/proto-loader';

export interface EntryRevision$Input {
  'id'?: (string);
  'revision_number'?: (number | string | Long);
  'created_at'?: (number | string | Long);
}

export interface EntryRevision {
  'id': (string);
  'revision_number': (string);
  'created_at': (string);
}
