import type { RegisteredEntry$Input as _countersign_registry_v1_RegisteredEntry$Input, RegisteredEntry as _countersign_registry_v1_RegisteredEntry } from '../../../countersign/registry/v1/RegisteredEntry.ts';
import type { RegisteredEntryMask$Input as _countersign_registry_v1_RegisteredEntryMask$Input, RegisteredEntryMask as _countersign_registry_v1_RegisteredEntryMask } from '../../../countersign/registry/v1/RegisteredEntryMask.ts';

export interface BatchUpdateRequest$Input {
  'entries'?: (_countersign_registry_v1_RegisteredEntry$Input)[];
  'input_mask'?: (_countersign_registry_v1_RegisteredEntryMask$Input | null);
  'atomic'?: (boolean);
}

export interface BatchUpdateRequest {
  'entries': (_countersign_registry_v1_RegisteredEntry)[];
  'input_mask': (_countersign_registry_v1_RegisteredEntryMask | null);
  'atomic': (boolean);
}
