import type { SPIFFEID$Input as _spire_api_types_SPIFFEID$Input, SPIFFEID as _spire_api_types_SPIFFEID } from '../../../spire/api/types/SPIFFEID.ts';
import type { Selector$Input as _spire_api_types_Selector$Input, Selector as _spire_api_types_Selector } from '../../../spire/api/types/Selector.ts';
import type { Long } from '@grpc/proto-loader';

export interface Agent$Input {
  'id'?: (_spire_api_types_SPIFFEID$Input | null);
  'attestation_type'?: (string);
  'x509svid_serial_number'?: (string);
  'x509svid_expires_at'?: (number | string | Long);
  'selectors'?: (_spire_api_types_Selector$Input)[];
  'banned'?: (boolean);
  'can_reattest'?: (boolean);
  'agent_version'?: (string);
}

export interface Agent {
  'id': (_spire_api_types_SPIFFEID | null);
  'attestation_type': (string);
  'x509svid_serial_number': (string);
  'x509svid_expires_at': (string);
  'selectors': (_spire_api_types_Selector)[];
  'banned': (boolean);
  'can_reattest': (boolean);
  'agent_version': (string);
}
