import type { EntryRevision$Input as _spire_api_server_entry_v1_EntryRevision$Input, EntryRevision as _spire_api_server_entry_v1_EntryRevision } from '../../../../../spire/api/server/entry/v1/EntryRevision.ts';
import type { Entry$Input as _spire_api_types_Entry$Input, Entry as _spire_api_types_Entry } from '../../../../../spire/api/types/Entry.ts';

export interface SyncAuthorizedEntriesResponse$Input {
  'entry_revisions'?: (_spire_api_server_entry_v1_EntryRevision$Input)[];
  'entries'?: (_spire_api_types_Entry$Input)[];
  'more'?: (boolean);
}

export interface SyncAuthorizedEntriesResponse {
  'entry_revisions': (_spire_api_server_entry_v1_EntryRevision)[];
  'entries': (_spire_api_types_Entry)[];
  'more': (boolean);
}
