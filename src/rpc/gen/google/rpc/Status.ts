import type { Any$Input as _google_protobuf_Any$Input, Any as _google_protobuf_Any } from '../../google/protobuf/Any.ts';

export interface Status$Input {
  'code'?: (number);
  'message'?: (string);
  'details'?: (_google_protobuf_Any$Input)[];
}

export interface Status {
  'code': (number);
  'message': (string);
  'details': (_google_protobuf_Any)[];
}
