
export interface DataSource$Input {
  'inline_bytes'?: (Buffer | Uint8Array | string);
  'specifier'?: "inline_bytes";
}

export interface DataSource {
  'inline_bytes'?: (Buffer);
  'specifier'?: "inline_bytes";
}
