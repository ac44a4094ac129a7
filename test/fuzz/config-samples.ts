const web = 'spiffe://example.org/web'
const federation = [
  {
    ...{ issuer: 'https://token.actions.githubusercontent.com', kind: 'github' },
    ...{ audience: 'https://as.example.org', max_age: '10m', single_use: true },
    ...{ jwks: 'https://keys.example/jwks', web_ca: 'ca.pem', algorithms: ['RS256', 'ES256'] },
    ...{ allowed_networks: ['10.0.0.0/8', 'fd00::/8'], allowed_ports: [443] },
    rules: [
      { match: { repository_id: '74', ref: 'refs/heads/main' }, as: web, issue: ['x509_svid'] },
    ],
  },
  {
    ...{ issuer: 'https://k8s.example', kind: 'kubernetes', audience: 'countersign' },
    ...{ jwks_file: 'jwks.json' },
    token_review: { url: 'https://api.example', ca_file: 'ca.pem', token_file: 'token' },
    rules: [{ match: { 'kubernetes.io/serviceaccount/uid': 'u' }, as: web }],
  },
]
const foreignClients = [
  {
    spiffe_id: 'spiffe://other.example/a',
    owner: 'team',
    purpose: 'shop',
    labels: { env: 'prod' },
  },
]

/** One of each file, with all that may be said there. */
export const configSamples: Readonly<
  Record<'server' | 'agent' | 'broker' | 'forwardAuth' | 'rules' | 'clients', unknown>
> = {
  server: {
    ...{ trust_domain: 'example.org', data_dir: 'data', bind_address: '[::1]:8081' },
    ...{ admin_socket: 'api.sock', http_address: false, log_level: 'info', audit_file: 'a.log' },
    ...{ audit_copy_records: 1000, max_connections: 10, max_connections_per_address: 5 },
    audit_sinks: [
      { type: 'stdout' },
      { type: 'syslog', name: 'tls', address: 'tls://log.example:6514', ca: 'ca.pem' },
      { type: 'syslog', name: 'unix', address: 'unix:///dev/log' },
      { type: 'otlp', url: 'https://otlp.example/v1/logs', token_file: 'token' },
    ],
    key_manager: { type: 'file', path: 'wrapping.key' },
    ca: { ttl: '1h', key_type: 'ed25519', jwt_key_type: 'rsa-2048', jwt_rs256_audiences: ['a'] },
    ...{ x509_svid_ttl: '1h', jwt_svid_ttl: 300, agent_ttl: '24h' },
    jwt_issuer: 'https://id.example/x',
    oidc: { address: '127.0.0.1:8083', hosts: ['id.example'], certificate: 'c', key: 'k' },
    oauth: {
      ...{ issuer: 'https://as.example.org', address: '0.0.0.0:8084', certificate: 'c', key: 'k' },
      ...{ signing: 'RS256', policy: 'store', separate_environments: false },
      resources: [
        {
          ...{ id: 'https://orders.example', scopes: ['orders:read', 'ssf.read'], max_ttl: '5m' },
          ...{ served_by: [web], scope_map: { 'orders:read': ['stock:read'] } },
          ...{ require_cnf: true, owner: 'team', env: 'prod' },
          self_test: 'https://orders.example/.well-known/countersign-self-test',
        },
        { id: 'urn:stock', scopes: ['stock:read'] },
      ],
      canary: { every: '30s', alarm_after: '1s' },
      legacy_edges: [web],
      ...{ foreign_clients: foreignClients, federation },
      ssf: {
        streams: [
          { id: 'a', audience: 'https://orders.example', delivery: 'poll', receivers: [web] },
          {
            ...{ id: 'b', audience: 'b', delivery: 'push', endpoint: 'https://b.example/events' },
            ...{ authorization_file: 'b', web_ca: 'c', allowed_ports: [443], allowed_networks: [] },
            ...{ events: ['session-revoked'], subjects: ['spiffe://example.org/*'] },
          },
        ],
      },
    },
    federation: {
      ...{ fetch: true, allowed_networks: ['10.0.0.0/8'], allowed_ports: [443], web_ca: 'ca' },
      bundle_endpoint: { address: '[::]:8443', profile: 'https_web', certificate: 'c', key: 'k' },
      trust_domains: [{ name: 'other.example', max_staleness: '1h', on_stale: 'use' }],
    },
    selector_types: ['k8s'],
    rate_limits: { attest: { per_second: 1, burst: 5 }, sign: { per_second: 10, burst: 1000 } },
  },
  agent: {
    ...{
      trust_domain: 'example.org',
      data_dir: 'data',
      server_address: ['a.example:1', '[::1]:2'],
    },
    ...{ socket: 'a.sock', admin_socket: '/b/b.sock', authorized_delegates: [web] },
    ...{ http_address: '127.0.0.1:1', log_level: 'debug', trust_ca_sha256: ['0'.repeat(64)] },
    ...{ join_token_file: '-', unix_attestor: { discover_path: true, hash_size_limit: 5 } },
    ...{ offline_cache: true, offline_cache_key_file: 'k', max_offline: '1h' },
    ...{ x509_svid_cache_size: 5, jwt_svid_cache_size: 5, max_streams_per_uid: 5 },
    sds: { enabled: true, default_svid_name: 'default', disable_spiffe_cert_validation: false },
  },
  broker: {
    ...{ url: 'https://broker.example', address: '0.0.0.0:8444', http_address: '127.0.0.1:8445' },
    ...{ data_dir: 'data', socket: 'a.sock', spiffe_id: web, issuer: 'https://as.example.org' },
    ...{ issuer_ca: 'ca.pem', feed: true, policy: 'policy', max_connections: 5 },
    integrations: [
      {
        ...{ id: 'stripe', owner: 'team', upstream: 'https://api.vendor.example', ca: 'ca.pem' },
        ...{ networks: ['10.0.0.0/8'], secret: { file: 'key' }, methods: ['GET', 'POST'] },
        inject: { header: 'Authorization', prefix: 'Bearer ' },
        ...{ paths: ['/v1/*', '/v2/**'], parameters: ['limit'], request_headers: ['X-Trace'] },
        ...{ rate: '10/s', rate_all: '600/m', max_age: '90d', issued: '2026-01-01' },
        ...{ svid_alone: true, require_bound: false, disabled: false, timeout: '30s' },
        ...{ reopened: '2026-01-01T00:00:00Z', max_request_bytes: 5, max_response_bytes: 5 },
        ...{ max_duration: '10m', max_calls: 5 },
      },
      {
        ...{ id: 'other', owner: 'team', upstream: 'https://other.example/', paths: ['/a'] },
        ...{ secret: { env: 'KEY' }, inject: { query: 'key' }, methods: ['GET'] },
      },
    ],
  },
  forwardAuth: {
    ...{ issuer: 'https://as.example.org', workload_api: 'a.sock', spiffe_id: web },
    endpoints: { introspection: 'https://as.example.org/i', keys: 'https://as.example.org/k' },
    ...{ revocations: true, introspect: true, log_level: 'warn', http_address: '127.0.0.1:1' },
    doors: [
      { proxy: 'nginx', socket: 'a.sock', users: ['0'] },
      { proxy: 'envoy', address: '0.0.0.0:1', spiffe_ids: [web] },
    ],
    services: {
      orders: {
        ...{ resource: 'https://orders.example', require_bound: true },
        routes: [
          {
            ...{ path: '/orders/**', methods: ['GET'], scopes: ['orders:read'] },
            when_unknown: 'allow-until-expiry',
          },
        ],
      },
    },
  },
  rules: { federation },
  clients: { foreign_clients: foreignClients },
}
