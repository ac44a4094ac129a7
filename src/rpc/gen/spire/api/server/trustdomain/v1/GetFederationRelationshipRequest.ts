import type { FederationRelationshipMask$Input as _spire_api_types_FederationRelationshipMask$Input, FederationRelationshipMask as _spire_api_types_FederationRelationshipMask } from '../../../../../spire/api/types/FederationRelationshipMask.ts';

export interface GetFederationRelationshipRequest$Input {
  'trust_domain'?: (string);
  'output_mask'?: (_spire_api_types_FederationRelationshipMask$Input | null);
}

export interface GetFederationRelationshipRequest {
  'trust_domain': (string);
  'output_mask': (_spire_api_types_FederationRelationshipMask | null);
}
