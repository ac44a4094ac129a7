import type { Long } from '@grpc/proto-loader';

export interface WITKey$Input {
  'public_key'?: (Buffer | Uint8Array | string);
  'key_id'?: (string);
  'expires_at'?: (number | string | Long);
  'tainted'?: (boolean);
}

export interface WITKey {
  'public_key': (Buffer);
  'key_id': (string);
  'expires_at': (string);
  'tainted': (boolean);
}
