import type { SPIFFEID$Input as _spire_api_types_SPIFFEID$Input, SPIFFEID as _spire_api_types_SPIFFEID } from '../../../spire/api/types/SPIFFEID.ts';
import type { Selector$Input as _spire_api_types_Selector$Input, Selector as _spire_api_types_Selector } from '../../../spire/api/types/Selector.ts';
import type { Long } from '@grpc/proto-loader';

export interface _spire_api_types_Entry_AdditionalAttributes$Input {
  'disable_x509_svid_prefetch'?: (boolean);
  'jwt_svid_include_jti'?: (boolean);
}

export interface _spire_api_types_Entry_AdditionalAttributes {
  'disable_x509_svid_prefetch': (boolean);
  'jwt_svid_include_jti': (boolean);
}

export interface Entry$Input {
  'id'?: (string);
  'spiffe_id'?: (_spire_api_types_SPIFFEID$Input | null);
  'parent_id'?: (_spire_api_types_SPIFFEID$Input | null);
  'selectors'?: (_spire_api_types_Selector$Input)[];
  'x509_svid_ttl'?: (number);
  'federates_with'?: (string)[];
  'admin'?: (boolean);
  'downstream'?: (boolean);
  'expires_at'?: (number | string | Long);
  'dns_names'?: (string)[];
  'revision_number'?: (number | string | Long);
  'store_svid'?: (boolean);
  'jwt_svid_ttl'?: (number);
  'hint'?: (string);
  'created_at'?: (number | string | Long);
  'additional_attributes'?: (_spire_api_types_Entry_AdditionalAttributes$Input | null);
}

export interface Entry {
  'id': (string);
  'spiffe_id': (_spire_api_types_SPIFFEID | null);
  'parent_id': (_spire_api_types_SPIFFEID | null);
  'selectors': (_spire_api_types_Selector)[];
  'x509_svid_ttl': (number);
  'federates_with': (string)[];
  'admin': (boolean);
  'downstream': (boolean);
  'expires_at': (string);
  'dns_names': (string)[];
  'revision_number': (string);
  'store_svid': (boolean);
  'jwt_svid_ttl': (number);
  'hint': (string);
  'created_at': (string);
  'additional_attributes': (_spire_api_types_Entry_AdditionalAttributes | null);
}
