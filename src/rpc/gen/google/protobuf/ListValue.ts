import type { Value$Input as _google_protobuf_Value$Input, Value as _google_protobuf_Value } from '../../google/protobuf/Value.ts';

export interface ListValue$Input {
  'values'?: (_google_protobuf_Value$Input)[];
}

export interface ListValue {
  'values': (_google_protobuf_Value)[];
}
