import type { RegisteredEntry$Input as _countersign_registry_v1_RegisteredEntry$Input, RegisteredEntry as _countersign_registry_v1_RegisteredEntry } from '../../../countersign/registry/v1/RegisteredEntry.ts';

export interface ListResponse$Input {
  'entries'?: (_countersign_registry_v1_RegisteredEntry$Input)[];
  'next_page_token'?: (string);
}

export interface ListResponse {
  'entries': (_countersign_registry_v1_RegisteredEntry)[];
  'next_page_token': (string);
}
