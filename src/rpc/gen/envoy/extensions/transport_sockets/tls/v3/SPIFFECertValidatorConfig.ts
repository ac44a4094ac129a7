import type { DataSource$Input as _envoy_config_core_v3_DataSource$Input, DataSource as _envoy_config_core_v3_DataSource } from '../../../../../envoy/config/core/v3/DataSource.ts';

export interface _envoy_extensions_transport_sockets_tls_v3_SPIFFECertValidatorConfig_TrustDomain$Input {
  'name'?: (string);
  'trust_bundle'?: (_envoy_config_core_v3_DataSource$Input | null);
}

export interface _envoy_extensions_transport_sockets_tls_v3_SPIFFECertValidatorConfig_TrustDomain {
  'name': (string);
  'trust_bundle': (_envoy_config_core_v3_DataSource | null);
}

export interface SPIFFECertValidatorConfig$Input {
  'trust_domains'?: (_envoy_extensions_transport_sockets_tls_v3_SPIFFECertValidatorConfig_TrustDomain$Input)[];
}

export interface SPIFFECertValidatorConfig {
  'trust_domains': (_envoy_extensions_transport_sockets_tls_v3_SPIFFECertValidatorConfig_TrustDomain)[];
}
