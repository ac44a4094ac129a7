import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { readForwardAuth } from '../../../src/forward-auth/settings.ts'
import { identityHeaders, identityPrefixes } from '../../support/identity-headers.ts'

const fileOf = (name: string): string =>
  fileURLToPath(new URL(`../../../deploy/${name}`, import.meta.url))
const textOf = (name: string): string => readFileSync(fileOf(name), 'utf8').toLowerCase()

// With the programs themselves: `npm run recipes` and `npm run interop`.
test('T25 the proxies’ configurations that are shipped let no header through by which a client could name itself', () => {
  const nginx = textOf('nginx/forward-auth.conf') + textOf('nginx/identity-headers.conf')
  const envoy = textOf('envoy/envoy.yaml')
  for (const name of identityHeaders) {
    expect(nginx).toMatch(
      new RegExp(`proxy_set_header ${name} +("";|\\$(countersign_|remote_addr;|scheme;))`),
    )
    expect(envoy).toContain(`- remove: ${name}\n`)
  }
  for (const prefix of identityPrefixes) {
    expect(envoy).toContain(`- remove_on_match: { key_matcher: { prefix: ${prefix} } }\n`)
  }
  // Of which nginx says itself what is true.
  const own = [
    'x-forwarded-for +$remote_addr',
    'x-real-ip +$remote_addr',
    'x-forwarded-proto +$scheme',
  ]
  for (const line of own) {
    expect(nginx).toMatch(new RegExp(`proxy_set_header ${line.replace('$', '\\$')};`))
  }
  const emptied = identityHeaders.length - 4 - own.length
  expect(nginx.match(/proxy_set_header \S+ +"";/g)?.length).toBe(emptied + 2)
  expect(envoy.match(/- remove: /g)?.length).toBe(identityHeaders.length)
})

/** A block of nginx's configuration: its lines, without those of blocks within. */
function block(text: string, head: string): readonly string[] {
  const from = text.indexOf(`${head} {`)
  const inside = text.slice(
    from + head.length + 2,
    text.indexOf(`\n${' '.repeat(indentOf(text, from))}}`, from),
  )
  return inside
    .replaceAll(/ {2,}location[^{]*\{[^}]*\}/g, '')
    .split(';')
    .map((line) => line.replaceAll(/#.*/g, '').replaceAll(/\s+/g, ' ').trim())
    .filter((line) => line !== '')
}

function indentOf(text: string, at: number): number {
  return at - (text.lastIndexOf('\n', at) + 1)
}

test('T25 what nginx asks about is what it knows of the request itself, and what it sends on is what it asked about', () => {
  const conf = readFileSync(fileOf('nginx/forward-auth.conf'), 'utf8')
  expect(block(conf, 'location = /.countersign')).toEqual([
    'internal',
    'proxy_pass_request_headers off',
    'proxy_pass_request_body off',
    'proxy_set_header Content-Length ""',
    'proxy_set_header Connection ""',
    'proxy_set_header Authorization $http_authorization',
    'proxy_set_header Countersign-Method $request_method',
    'proxy_set_header Countersign-Uri $request_uri',
    'proxy_set_header Countersign-Certificate $ssl_client_escaped_cert',
    'proxy_http_version 1.1',
    'proxy_pass http://countersign_forward_auth/orders',
  ])
  const all = block(conf, 'location /')
  expect(all).toEqual(
    expect.arrayContaining(['auth_request /.countersign', 'include identity-headers.conf']),
  )
  // With a path behind the port nginx would send on what it has made of the URI.
  expect(all.at(-1)).toBe('proxy_pass http://127.0.0.1:8080')
  expect(block(conf, 'server')).toEqual(
    expect.arrayContaining([
      'ssl_verify_client optional',
      'ssl_session_tickets off',
      'ssl_session_cache off',
      'underscores_in_headers off',
      'ignore_invalid_headers on',
    ]),
  )
})

test('T25 nginx in front of legacy callers tells nothing that they say of themselves either', () => {
  const page = readFileSync(new URL('../../../docs/legacy.md', import.meta.url), 'utf8')
  const [, conf = ''] = /```nginx\n(.*?)```/s.exec(page) ?? []
  expect(block(conf, 'location /')).toEqual(
    expect.arrayContaining(['proxy_set_header X-Api-Key ""', 'include identity-headers.conf']),
  )
})

test('T25 Envoy lets nobody in by a fault, a header or a path with two readings, and asks nobody else', () => {
  const { listeners, clusters } = parse(
    readFileSync(fileOf('envoy/envoy.yaml'), 'utf8'),
  ).static_resources
  const [chain] = listeners[0].filter_chains
  const { typed_config: manager } = chain.filters[0]
  expect(chain.transport_socket.typed_config).toMatchObject({
    require_client_certificate: true,
    disable_stateless_session_resumption: true,
    disable_stateful_session_resumption: true,
  })
  expect(manager).toMatchObject({
    common_http_protocol_options: { headers_with_underscores_action: 'REJECT_REQUEST' },
    use_remote_address: true,
    normalize_path: true,
    path_with_escaped_slashes_action: 'REJECT_REQUEST',
    forward_client_cert_details: 'SANITIZE',
  })
  const [authz, router] = manager.http_filters
  expect([authz.name, router.name]).toEqual([
    'envoy.filters.http.ext_authz',
    'envoy.filters.http.router',
  ])
  expect(authz.typed_config).toMatchObject({
    failure_mode_allow: false,
    http_service: {
      authorization_request: {
        headers_to_add: [{ key: 'countersign-certificate', value: '%DOWNSTREAM_PEER_CERT%' }],
      },
    },
  })
  const endpoint = clusters.find(
    ({ name }: { name: string }) => name === 'countersign_forward_auth',
  )
  expect(endpoint.transport_socket.typed_config).toMatchObject({
    max_session_keys: 0,
    common_tls_context: {
      combined_validation_context: {
        default_validation_context: {
          match_typed_subject_alt_names: [
            { san_type: 'URI', matcher: { exact: 'spiffe://example.org/forward-auth' } },
          ],
        },
      },
    },
  })
})

test('the endpoint’s own configurations that are shipped are good', () => {
  for (const proxy of ['nginx', 'envoy']) {
    const settings = readForwardAuth(fileOf(`${proxy}/forward-auth.yaml`))
    const { doors, services, revocations, introspect } = settings
    expect(doors).toMatchObject([{ proxy }])
    // T26 a token that was revoked is good no longer.
    expect({ revocations, introspect }).toEqual({ revocations: true, introspect: true })
    expect([...services.keys()]).toEqual(['orders'])
  }
})
