import type { NullValue$Input as _google_protobuf_NullValue$Input, NullValue as _google_protobuf_NullValue } from '../../google/protobuf/NullValue.ts';
import type { Struct$Input as _google_protobuf_Struct$Input, Struct as _google_protobuf_Struct } from '../../google/protobuf/Struct.ts';
import type { ListValue$Input as _google_protobuf_ListValue$Input, ListValue as _google_protobuf_ListValue } from '../../google/protobuf/ListValue.ts';

export interface Value$Input {
  'nullValue'?: (_google_protobuf_NullValue$Input);
  'numberValue'?: (number | string);
  'stringValue'?: (string);
  'boolValue'?: (boolean);
  'structValue'?: (_google_protobuf_Struct$Input | null);
  'listValue'?: (_google_protobuf_ListValue$Input | null);
  'kind'?: "nullValue"|"numberValue"|"stringValue"|"boolValue"|"structValue"|"listValue";
}

export interface Value {
  'nullValue'?: (_google_protobuf_NullValue);
  'numberValue'?: (number);
  'stringValue'?: (string);
  'boolValue'?: (boolean);
  'structValue'?: (_google_protobuf_Struct | null);
  'listValue'?: (_google_protobuf_ListValue | null);
  'kind'?: "nullValue"|"numberValue"|"stringValue"|"boolValue"|"structValue"|"listValue";
}
