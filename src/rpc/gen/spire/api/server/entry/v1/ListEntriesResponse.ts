import type { Entry$Input as _spire_api_types_Entry$Input, Entry as _spire_api_types_Entry } from '../../../../../spire/api/types/Entry.ts';

export interface ListEntriesResponse$Input {
  'entries'?: (_spire_api_types_Entry$Input)[];
  'next_page_token'?: (string);
}

export interface ListEntriesResponse {
  'entries': (_spire_api_types_Entry)[];
  'next_page_token': (string);
}
