import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { readForwardAuth } from '../../../src/forward-auth/settings.ts'
import { toPem } from '../../../src/x509/pem.ts'
import { reasonOf } from '../../support/x509-fixtures.ts'

const folder = mkdtempSync(join(tmpdir(), 'cs-fa-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const door = '{ proxy: nginx, socket: /run/a/b.sock, users: [root] }'
const routes = '[{ path: /orders/**, methods: [GET], scopes: [orders:read] }]'

function read({ doors = `[${door}]`, name = 'orders', routed = routes, more = '' } = {}) {
  const file = join(folder, 'forward-auth.yaml')
  writeFileSync(
    file,
    `issuer: https://as.example.org
${more}
doors: ${doors}
services: { ${name}: { resource: 'https://orders.example.org', routes: ${routed} } }
`,
  )
  return readForwardAuth(file)
}

test('a file says who may ask, and what each route needs', () => {
  const { doors, services, endpoints } = read()
  expect(endpoints.keys).toBe('https://as.example.org/oauth/jwks')
  expect(doors).toEqual([{ proxy: 'nginx', socket: '/run/a/b.sock', uids: new Set([0]) }])
  expect(services.get('orders')?.routes).toEqual([
    {
      ...{ pattern: '/orders/**', methods: new Set(['GET']) },
      ...{ scopes: ['orders:read'], allowUntilExpiry: false },
    },
  ])
})

test('T30 a service that takes bound tokens alone, and a route that is lenient while nothing is known, are what they are said to be', () => {
  const lenient = '{ path: /b, methods: [GET], scopes: [], when_unknown: allow-until-expiry }'
  const strict = '{ path: /a, methods: [GET], scopes: [], when_unknown: deny }'
  const routed = `[${strict}, ${lenient}], require_bound: true`
  const { requireBound, routes: read1 } = read({ routed }).services.get('orders') ?? expect.fail()
  expect(requireBound).toBe(true)
  expect(read1.map(({ allowUntilExpiry }) => allowUntilExpiry)).toEqual([false, true])
  expect(read().services.get('orders')?.requireBound).toBe(false)
})

test('the scope of canaries, which open nothing, is one of no route', () => {
  const routed = '[{ path: /a, methods: [GET], scopes: ["countersign:canary"] }]'
  expect(reasonOf(() => read({ routed }))).toBe('config-value')
})

test('T25 a door that everybody may use cannot be made', () => {
  for (const doors of [
    '[{ proxy: nginx, socket: /run/a/b.sock }]',
    '[{ proxy: envoy, address: "127.0.0.1:9443" }]',
    '[{ proxy: envoy, address: "127.0.0.1:9443", users: [root] }]',
    '[{ proxy: envoy, socket: /run/a/b.sock, users: [root], address: "127.0.0.1:9443" }]',
  ]) {
    expect(reasonOf(() => read({ doors }))).toBe('config-forward-auth')
  }
})

test('what is mistyped is refused', () => {
  const values = [
    () => read({ doors: '[{ proxy: traefik, socket: /run/a/b.sock, users: [root] }]' }),
    () => read({ doors: '[{ proxy: nginx, socket: /run/a/b.sock, users: [nobody-here] }]' }),
    () => read({ doors: '[{ proxy: envoy, address: "127.0.0.1:9443", spiffe_ids: [envoy] }]' }),
    () => read({ doors: '[{ proxy: nginx, socket: /run/a/b.sock, users: [] }]' }),
    () => read({ doors: '[{ proxy: envoy, address: "127.0.0.1:9443", spiffe_ids: [] }]' }),
    () => read({ routed: '[]' }),
    () => read({ routed: '[{ path: orders, methods: [GET], scopes: [] }]' }),
    () => read({ routed: '[{ path: /a, methods: [get], scopes: [] }]' }),
    () => read({ routed: '[{ path: /a, methods: [GET] }]' }),
    () => read({ name: 'Orders' }),
    () => read({ more: 'endpoints: { keys: http://as.example.org/keys }' }),
  ]
  expect(values.map((value) => reasonOf(value))).toEqual(values.map(() => 'config-value'))
  expect(reasonOf(() => read({ more: 'endpoint: {}' }))).toBe('config-key')
  expect(reasonOf(() => read({ more: 'issuer_ca: /no/such/file' }))).toBe('config-forward-auth')
  // Of which Node would say nothing, and believe nobody.
  const key = join(folder, 'key.pem')
  for (const text of [
    '',
    'no PEM',
    toPem('PRIVATE KEY', Buffer.of(1)),
    toPem('CERTIFICATE', Buffer.of(1)),
  ]) {
    writeFileSync(key, text)
    expect(reasonOf(() => read({ more: `issuer_ca: ${key}` }))).toBe('config-forward-auth')
  }
})
