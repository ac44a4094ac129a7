import type { Value$Input as _google_protobuf_Value$Input, Value as _google_protobuf_Value } from '../../google/protobuf/Value.ts';

export interface Struct$Input {
  'fields'?: ({[key: string]: _google_protobuf_Value$Input});
}

export interface Struct {
  'fields': ({[key: string]: _google_protobuf_Value});
}
