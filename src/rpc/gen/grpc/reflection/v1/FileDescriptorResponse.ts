
export interface FileDescriptorResponse$Input {
  'file_descriptor_proto'?: (Buffer | Uint8Array | string)[];
}

export interface FileDescriptorResponse {
  'file_descriptor_proto': (Buffer)[];
}
