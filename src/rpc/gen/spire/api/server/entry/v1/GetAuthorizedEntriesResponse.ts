import type { Entry$Input as _spire_api_types_Entry$Input, Entry as _spire_api_types_Entry } from '../../../../../spire/api/types/Entry.ts';

export interface GetAuthorizedEntriesResponse$Input {
  'entries'?: (_spire_api_types_Entry$Input)[];
}

export interface GetAuthorizedEntriesResponse {
  'entries': (_spire_api_types_Entry)[];
}
