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
  // AWS, of certificates and of users.
  ...[
    'x-amzn-mtls-clientcert-subject',
    'x-amzn-mtls-clientcert-issuer',
    'x-amzn-mtls-clientcert-serial-number',
    'x-amzn-oidc-identity',
    'x-amzn-oidc-data',
  ],
  // Google: as its balancers are set up, and its proxy that knows users.
  ...[
    'x-client-cert-present',
    'x-client-cert-chain-verified',
    'x-client-cert-hash',
    'x-client-cert-serial-number',
    'x-client-cert-spiffe',
    'x-client-cert-uri-sans',
    'x-client-cert-dnsname-sans',
    'x-client-cert-subject-dn',
    'x-client-cert-issuer-dn',
    'x-client-cert-leaf',
    'x-client-cert-chain',
    'x-goog-authenticated-user-email',
    'x-goog-authenticated-user-id',
    'x-goog-iap-jwt-assertion',
  ],
  // Azure, Cloudflare, Tailscale.
  ...[
    'x-ms-client-principal',
    'x-ms-client-principal-id',
    'x-ms-client-principal-name',
    'cf-access-authenticated-user-email',
    'cf-access-jwt-assertion',
    'tailscale-user-login',
    'tailscale-user-name',
  ],
  // nginx, Apache and HAProxy, once more.
  ...[
    'x-ssl-client-cn',
    'x-ssl-client-serial',
    'x-ssl-client-fingerprint',
    'x-ssl-client-sha1',
    'x-ssl-client-i-dn',
    'x-ssl-issuer',
    'ssl-client-issuer-dn',
  ],
  // Authelia, authentik, Kong, Pomerium, Vouch.
  ...[
    'remote-groups',
    'remote-name',
    'remote-email',
    'x-authentik-username',
    'x-authentik-groups',
    'x-authentik-email',
    'x-authentik-name',
    'x-authentik-uid',
    'x-consumer-id',
    'x-consumer-username',
    'x-consumer-custom-id',
    'x-credential-identifier',
    'x-authenticated-userid',
    'x-authenticated-scope',
    'x-userinfo',
    'x-pomerium-jwt-assertion',
    'x-pomerium-claim-email',
    'x-vouch-user',
    'x-auth-request-preferred-username',
  ],
]
