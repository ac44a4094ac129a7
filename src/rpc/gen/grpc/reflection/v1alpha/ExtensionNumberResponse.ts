
export interface ExtensionNumberResponse$Input {
  'base_type_name'?: (string);
  'extension_number'?: (number)[];
}

export interface ExtensionNumberResponse {
  'base_type_name': (string);
  'extension_number': (number)[];
}
