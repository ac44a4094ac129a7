/** By which servers behind proxies are told, here and there, who a client is: none of them may come from the client. */
export const identityHeaders: readonly string[] = [
  ...['countersign-subject', 'countersign-client-id', 'countersign-scope', 'countersign-actors'],
  ...['countersign-method', 'countersign-uri', 'countersign-certificate'],
  // RFC 9440.
  ...['client-cert', 'client-cert-chain'],
  // Envoy, Traefik, AWS, Azure.
  ...['x-forwarded-client-cert', 'x-forwarded-tls-client-cert', 'x-forwarded-tls-client-cert-info'],
  ...['x-amzn-mtls-clientcert', 'x-amzn-mtls-clientcert-leaf', 'x-arr-clientcert'],
  // As one finds them in configurations of nginx, Apache and HAProxy.
  ...['x-client-cert', 'x-client-certificate', 'x-ssl-cert', 'x-ssl-client-cert'],
  ...['x-ssl-client-dn', 'x-ssl-client-s-dn', 'x-ssl-client-verify'],
  ...['ssl-client-cert', 'ssl-client-subject-dn', 'ssl-client-verify'],
  ...['remote-user', 'x-remote-user', 'x-user', 'x-authenticated-user', 'x-webauth-user'],
  ...['x-forwarded-user', 'x-forwarded-email', 'x-forwarded-preferred-username'],
  ...['x-forwarded-groups', 'x-auth-request-user', 'x-auth-request-email', 'x-auth-request-groups'],
]
