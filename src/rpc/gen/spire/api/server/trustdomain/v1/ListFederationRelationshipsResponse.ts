import type { FederationRelationship$Input as _spire_api_types_FederationRelationship$Input, FederationRelationship as _spire_api_types_FederationRelationship } from '../../../../../spire/api/types/FederationRelationship.ts';

export interface ListFederationRelationshipsResponse$Input {
  'federation_relationships'?: (_spire_api_types_FederationRelationship$Input)[];
  'next_page_token'?: (string);
}

export interface ListFederationRelationshipsResponse {
  'federation_relationships': (_spire_api_types_FederationRelationship)[];
  'next_page_token': (string);
}
