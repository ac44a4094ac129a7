/** How an Envoy is set up in these tests: its secrets come from the agent's socket, and nothing else. */

const tls = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3'
const hcm =
  'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager'
const router = 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router'
const httpOptions = 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions'

type Variant = 'GRPC' | 'DELTA_GRPC'

/** What the secrets are called, and by which of the two protocols they come. */
export interface Secrets {
  readonly svid: string
  readonly bundle: string
  readonly variant: Variant
}

export interface EnvoyPart {
  readonly listeners: readonly object[]
  readonly clusters: readonly object[]
}

export function envoyConfig(
  options: { readonly agentSocket: string; readonly adminSocket: string },
  parts: readonly EnvoyPart[],
): object {
  return {
    node: { id: 'interop', cluster: 'interop' },
    admin: { address: { pipe: { path: options.adminSocket, mode: 0o600 } } },
    static_resources: {
      listeners: parts.flatMap((part) => part.listeners),
      clusters: [agentCluster(options.agentSocket), ...parts.flatMap((part) => part.clusters)],
    },
  }
}

function agentCluster(path: string): object {
  return {
    name: 'agent',
    connect_timeout: '10s',
    type: 'STATIC',
    typed_extension_protocol_options: {
      'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
        '@type': httpOptions,
        explicit_http_config: { http2_protocol_options: {} },
      },
    },
    load_assignment: endpoint('agent', { pipe: { path } }),
  }
}

function endpoint(name: string, address: object): object {
  return {
    cluster_name: name,
    endpoints: [{ lb_endpoints: [{ endpoint: { address } }] }],
  }
}

function address(port: number): object {
  return { socket_address: { address: '127.0.0.1', port_value: port } }
}

function sds(name: string, variant: Variant): object {
  return {
    name,
    sds_config: {
      resource_api_version: 'V3',
      // By state of the world Envoy opens no port before it has all, or this is over.
      initial_fetch_timeout: '2s',
      api_config_source: {
        api_type: variant,
        transport_api_version: 'V3',
        grpc_services: [{ envoy_grpc: { cluster_name: 'agent' } }],
      },
    },
  }
}

function commonTls(secrets: Secrets, peers: readonly string[]): object {
  return {
    tls_params: {
      tls_minimum_protocol_version: 'TLSv1_3',
      tls_maximum_protocol_version: 'TLSv1_3',
    },
    tls_certificate_sds_secret_configs: [sds(secrets.svid, secrets.variant)],
    combined_validation_context: {
      default_validation_context: {
        match_typed_subject_alt_names: peers.map((peer) => ({
          san_type: 'URI',
          matcher: { exact: peer },
        })),
      },
      validation_context_sds_secret_config: sds(secrets.bundle, secrets.variant),
    },
  }
}

/** Takes mTLS connections of these peers and answers each request with `hello`. */
export function mtlsServer(port: number, secrets: Secrets, peers: readonly string[]): EnvoyPart {
  return {
    clusters: [],
    listeners: [
      {
        name: `server-${port}`,
        address: address(port),
        filter_chains: [
          {
            transport_socket: {
              name: 'envoy.transport_sockets.tls',
              typed_config: {
                '@type': `${tls}.DownstreamTlsContext`,
                require_client_certificate: true,
                disable_stateless_session_resumption: true,
                disable_stateful_session_resumption: true,
                common_tls_context: commonTls(secrets, peers),
              },
            },
            filters: [http([{ match: { prefix: '/' }, direct_response: hello }])],
          },
        ],
      },
    ],
  }
}

const hello = { status: 200, body: { inline_string: 'hello' } }

/** Passes plain HTTP on over mTLS, with a new connection for each request. */
export function mtlsClient(
  port: number,
  upstreamPort: number,
  secrets: Secrets,
  peers: readonly string[],
): EnvoyPart {
  const cluster = `upstream-${port}`
  return {
    clusters: [
      {
        name: cluster,
        type: 'STATIC',
        // With the handshake in it.
        connect_timeout: '30s',
        load_assignment: endpoint(cluster, address(upstreamPort)),
        typed_extension_protocol_options: {
          'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
            '@type': httpOptions,
            common_http_protocol_options: { max_requests_per_connection: 1 },
            explicit_http_config: { http_protocol_options: {} },
          },
        },
        transport_socket: {
          name: 'envoy.transport_sockets.tls',
          typed_config: {
            '@type': `${tls}.UpstreamTlsContext`,
            max_session_keys: 0,
            common_tls_context: commonTls(secrets, peers),
          },
        },
      },
    ],
    listeners: [
      {
        name: `client-${port}`,
        address: address(port),
        filter_chains: [
          { filters: [http([{ match: { prefix: '/' }, route: { cluster, timeout: '60s' } }])] },
        ],
      },
    ],
  }
}

function http(routes: readonly object[]): object {
  return {
    name: 'envoy.filters.network.http_connection_manager',
    typed_config: {
      '@type': hcm,
      stat_prefix: 'http',
      http_filters: [{ name: 'envoy.filters.http.router', typed_config: { '@type': router } }],
      route_config: { virtual_hosts: [{ name: 'all', domains: ['*'], routes }] },
    },
  }
}
