import type { HTTPSWebProfile$Input as _spire_api_types_HTTPSWebProfile$Input, HTTPSWebProfile as _spire_api_types_HTTPSWebProfile } from '../../../spire/api/types/HTTPSWebProfile.ts';
import type { HTTPSSPIFFEProfile$Input as _spire_api_types_HTTPSSPIFFEProfile$Input, HTTPSSPIFFEProfile as _spire_api_types_HTTPSSPIFFEProfile } from '../../../spire/api/types/HTTPSSPIFFEProfile.ts';
import type { Bundle$Input as _spire_api_types_Bundle$Input, Bundle as _spire_api_types_Bundle } from '../../../spire/api/types/Bundle.ts';

export interface FederationRelationship$Input {
  'trust_domain'?: (string);
  'bundle_endpoint_url'?: (string);
  'https_web'?: (_spire_api_types_HTTPSWebProfile$Input | null);
  'https_spiffe'?: (_spire_api_types_HTTPSSPIFFEProfile$Input | null);
  'trust_domain_bundle'?: (_spire_api_types_Bundle$Input | null);
  'bundle_endpoint_profile'?: "https_web"|"https_spiffe";
}

export interface FederationRelationship {
  'trust_domain': (string);
  'bundle_endpoint_url': (string);
  'https_web'?: (_spire_api_types_HTTPSWebProfile | null);
  'https_spiffe'?: (_spire_api_types_HTTPSSPIFFEProfile | null);
  'trust_domain_bundle': (_spire_api_types_Bundle | null);
  'bundle_endpoint_profile'?: "https_web"|"https_spiffe";
}
