import type { TlsCertificate$Input as _envoy_extensions_transport_sockets_tls_v3_TlsCertificate$Input, TlsCertificate as _envoy_extensions_transport_sockets_tls_v3_TlsCertificate } from '../../../../../envoy/extensions/transport_sockets/tls/v3/TlsCertificate.ts';
import type { CertificateValidationContext$Input as _envoy_extensions_transport_sockets_tls_v3_CertificateValidationContext$Input, CertificateValidationContext as _envoy_extensions_transport_sockets_tls_v3_CertificateValidationContext } from '../../../../../envoy/extensions/transport_sockets/tls/v3/CertificateValidationContext.ts';

export interface Secret$Input {
  'name'?: (string);
  'tls_certificate'?: (_envoy_extensions_transport_sockets_tls_v3_TlsCertificate$Input | null);
  'validation_context'?: (_envoy_extensions_transport_sockets_tls_v3_CertificateValidationContext$Input | null);
  'type'?: "tls_certificate"|"validation_context";
}

export interface Secret {
  'name': (string);
  'tls_certificate'?: (_envoy_extensions_transport_sockets_tls_v3_TlsCertificate | null);
  'validation_context'?: (_envoy_extensions_transport_sockets_tls_v3_CertificateValidationContext | null);
  'type'?: "tls_certificate"|"validation_context";
}
