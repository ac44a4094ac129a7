import type { Struct$Input as _google_protobuf_Struct$Input, Struct as _google_protobuf_Struct } from './google/protobuf/Struct.ts';

export interface ValidateJWTSVIDResponse$Input {
  'spiffe_id'?: (string);
  'claims'?: (_google_protobuf_Struct$Input | null);
}

export interface ValidateJWTSVIDResponse {
  'spiffe_id': (string);
  'claims': (_google_protobuf_Struct | null);
}
