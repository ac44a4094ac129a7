
export interface ExtensionRequest$Input {
  'containing_type'?: (string);
  'extension_number'?: (number);
}

export interface ExtensionRequest {
  'containing_type': (string);
  'extension_number': (number);
}
