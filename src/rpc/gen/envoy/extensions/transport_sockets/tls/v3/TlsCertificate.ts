import type { DataSource$Input as _envoy_config_core_v3_DataSource$Input, DataSource as _envoy_config_core_v3_DataSource } from '../../../../../envoy/config/core/v3/DataSource.ts';

export interface TlsCertificate$Input {
  'certificate_chain'?: (_envoy_config_core_v3_DataSource$Input | null);
  'private_key'?: (_envoy_config_core_v3_DataSource$Input | null);
}

export interface TlsCertificate {
  'certificate_chain': (_envoy_config_core_v3_DataSource | null);
  'private_key': (_envoy_config_core_v3_DataSource | null);
}
