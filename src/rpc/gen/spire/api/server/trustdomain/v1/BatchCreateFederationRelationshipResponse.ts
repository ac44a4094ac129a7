import type { Status$Input as _spire_api_types_Status$Input, Status as _spire_api_types_Status } from '../../../../../spire/api/types/Status.ts';
import type { FederationRelationship$Input as _spire_api_types_FederationRelationship$Input, FederationRelationship as _spire_api_types_FederationRelationship } from '../../../../../spire/api/types/FederationRelationship.ts';

export interface _spire_api_server_trustdomain_v1_BatchCreateFederationRelationshipResponse_Result$Input {
  'status'?: (_spire_api_types_Status$Input | null);
  'federation_relationship'?: (_spire_api_types_FederationRelationship$Input | null);
}

export interface _spire_api_server_trustdomain_v1_BatchCreateFederationRelationshipResponse_Result {
  'status': (_spire_api_types_Status | null);
  'federation_relationship': (_spire_api_types_FederationRelationship | null);
}

export interface BatchCreateFederationRelationshipResponse$Input {
  'results'?: (_spire_api_server_trustdomain_v1_BatchCreateFederationRelationshipResponse_Result$Input)[];
}

export interface BatchCreateFederationRelationshipResponse {
  'results': (_spire_api_server_trustdomain_v1_BatchCreateFederationRelationshipResponse_Result)[];
}
