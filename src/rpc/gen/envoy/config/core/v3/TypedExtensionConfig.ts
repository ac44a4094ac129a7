import type { Any$Input as _google_protobuf_Any$Input, Any as _google_protobuf_Any } from '../../../../google/protobuf/Any.ts';

export interface TypedExtensionConfig$Input {
  'name'?: (string);
  'typed_config'?: (_google_protobuf_Any$Input | null);
}

export interface TypedExtensionConfig {
  'name': (string);
  'typed_config': (_google_protobuf_Any | null);
}
