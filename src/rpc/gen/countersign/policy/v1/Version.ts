import type { Long } from '@grpc/proto-loader';

export interface Version$Input {
  'version'?: (number);
  'revision'?: (string);
  'applied_at_ms'?: (number | string | Long);
  'applied_by'?: (string);
  'files'?: (number);
}

export interface Version {
  'version': (number);
  'revision': (string);
  'applied_at_ms': (string);
  'applied_by': (string);
  'files': (number);
}
