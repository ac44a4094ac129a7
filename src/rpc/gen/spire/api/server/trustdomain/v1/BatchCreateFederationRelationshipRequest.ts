import type { FederationRelationship$Input as _spire_api_types_FederationRelationship$Input, FederationRelationship as _spire_api_types_FederationRelationship } from '../../../../../spire/api/types/FederationRelationship.ts';
import type { FederationRelationshipMask$Input as _spire_api_types_FederationRelationshipMask$Input, FederationRelationshipMask as _spire_api_types_FederationRelationshipMask } from '../../../../../spire/api/types/FederationRelationshipMask.ts';

export interface BatchCreateFederationRelationshipRequest$Input {
  'federation_relationships'?: (_spire_api_types_FederationRelationship$Input)[];
  'output_mask'?: (_spire_api_types_FederationRelationshipMask$Input | null);
}

export interface BatchCreateFederationRelationshipRequest {
  'federation_relationships': (_spire_api_types_FederationRelationship)[];
  'output_mask': (_spire_api_types_FederationRelationshipMask | null);
}
