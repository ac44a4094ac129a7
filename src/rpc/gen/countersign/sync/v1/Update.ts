import type { Entry$Input as _spire_api_types_Entry$Input, Entry as _spire_api_types_Entry } from '../../../spire/api/types/Entry.ts';
import type { Bundle$Input as _spire_api_types_Bundle$Input, Bundle as _spire_api_types_Bundle } from '../../../spire/api/types/Bundle.ts';
import type { GoodFrom$Input as _countersign_sync_v1_GoodFrom$Input, GoodFrom as _countersign_sync_v1_GoodFrom } from '../../../countersign/sync/v1/GoodFrom.ts';
import type { Long } from '@grpc/proto-loader';

export interface Update$Input {
  'log_id'?: (string);
  'position'?: (number | string | Long);
  'snapshot'?: (boolean);
  'more'?: (boolean);
  'entries'?: (_spire_api_types_Entry$Input)[];
  'removed_entry_ids'?: (string)[];
  'bundles'?: (_spire_api_types_Bundle$Input)[];
  'removed_trust_domains'?: (string)[];
  'good_from'?: (_countersign_sync_v1_GoodFrom$Input)[];
}

export interface Update {
  'log_id': (string);
  'position': (string);
  'snapshot': (boolean);
  'more': (boolean);
  'entries': (_spire_api_types_Entry)[];
  'removed_entry_ids': (string)[];
  'bundles': (_spire_api_types_Bundle)[];
  'removed_trust_domains': (string)[];
  'good_from': (_countersign_sync_v1_GoodFrom)[];
}
