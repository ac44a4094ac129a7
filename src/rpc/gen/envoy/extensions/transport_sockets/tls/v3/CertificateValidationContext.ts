import type { DataSource$Input as _envoy_config_core_v3_DataSource$Input, DataSource as _envoy_config_core_v3_DataSource } from '../../../../../envoy/config/core/v3/DataSource.ts';
import type { TypedExtensionConfig$Input as _envoy_config_core_v3_TypedExtensionConfig$Input, TypedExtensionConfig as _envoy_config_core_v3_TypedExtensionConfig } from '../../../../../envoy/config/core/v3/TypedExtensionConfig.ts';

export interface CertificateValidationContext$Input {
  'trusted_ca'?: (_envoy_config_core_v3_DataSource$Input | null);
  'custom_validator_config'?: (_envoy_config_core_v3_TypedExtensionConfig$Input | null);
}

export interface CertificateValidationContext {
  'trusted_ca': (_envoy_config_core_v3_DataSource | null);
  'custom_validator_config': (_envoy_config_core_v3_TypedExtensionConfig | null);
}
