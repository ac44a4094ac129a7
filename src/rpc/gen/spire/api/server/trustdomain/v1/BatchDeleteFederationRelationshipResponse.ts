import type { Status$Input as _spire_api_types_Status$Input, Status as _spire_api_types_Status } from '../../../../../spire/api/types/Status.ts';

export interface _spire_api_server_trustdomain_v1_BatchDeleteFederationRelationshipResponse_Result$Input {
  'status'?: (_spire_api_types_Status$Input | null);
  'trust_domain'?: (string);
}

export interface _spire_api_server_trustdomain_v1_BatchDeleteFederationRelationshipResponse_Result {
  'status': (_spire_api_types_Status | null);
  'trust_domain': (string);
}

export interface BatchDeleteFederationRelationshipResponse$Input {
  'results'?: (_spire_api_server_trustdomain_v1_BatchDeleteFederationRelationshipResponse_Result$Input)[];
}

export interface BatchDeleteFederationRelationshipResponse {
  'results': (_spire_api_server_trustdomain_v1_BatchDeleteFederationRelationshipResponse_Result)[];
}
