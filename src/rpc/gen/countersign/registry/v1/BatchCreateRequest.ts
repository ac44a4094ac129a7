import type { RegisteredEntry$Input as _countersign_registry_v1_RegisteredEntry$Input, RegisteredEntry as _countersign_registry_v1_RegisteredEntry } from '../../../countersign/registry/v1/RegisteredEntry.ts';

export interface BatchCreateRequest$Input {
  'entries'?: (_countersign_registry_v1_RegisteredEntry$Input)[];
  'atomic'?: (boolean);
}

export interface BatchCreateRequest {
  'entries': (_countersign_registry_v1_RegisteredEntry)[];
  'atomic': (boolean);
}
