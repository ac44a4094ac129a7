import type { Any$Input as _google_protobuf_Any$Input, Any as _google_protobuf_Any } from '../../../../google/protobuf/Any.ts';

export interface Resource$Input {
  'version'?: (string);
  'resource'?: (_google_protobuf_Any$Input | null);
  'name'?: (string);
}

export interface Resource {
  'version': (string);
  'resource': (_google_protobuf_Any | null);
  'name': (string);
}
