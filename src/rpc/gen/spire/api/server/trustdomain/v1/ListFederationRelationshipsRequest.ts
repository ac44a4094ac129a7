import type { FederationRelationshipMask$Input as _spire_api_types_FederationRelationshipMask$Input, FederationRelationshipMask as _spire_api_types_FederationRelationshipMask } from '../../../../../spire/api/types/FederationRelationshipMask.ts';

export interface ListFederationRelationshipsRequest$Input {
  'output_mask'?: (_spire_api_types_FederationRelationshipMask$Input | null);
  'page_size'?: (number);
  'page_token'?: (string);
}

export interface ListFederationRelationshipsRequest {
  'output_mask': (_spire_api_types_FederationRelationshipMask | null);
  'page_size': (number);
  'page_token': (string);
}
