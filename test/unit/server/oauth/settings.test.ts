import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { longestProofSeconds, oauthSchema, readOauth } from '../../../../server/oauth/settings.ts'
import { canaryScope } from '../../../../src/revocation/canary.ts'
import { SpiffeId } from '../../../../src/spiffe-id/spiffe-id.ts'
import { trustDomain } from '../../../support/running-server.ts'

const servers = ['spiffe://example.org/orders']
const orders = { id: 'https://orders.example.org', scopes: ['orders:read'] }
const file = {
  issuer: 'https://as.example.org',
  address: '127.0.0.1:8443',
  certificate: '/web.pem',
  key: '/web.key',
  policy: '/policy',
  resources: [orders],
}
const read = (said: object) => readOauth(oauthSchema.parse({ ...file, ...said }), trustDomain)

test('tokens are signed with ES256 unless told', () => {
  expect([read({})?.signing, read({ signing: 'RS256' })?.signing]).toEqual(['ES256', 'RS256'])
})

test('a fact refuses proofs for as long as an SVID may live, or a token of another issuer where such are taken', () => {
  const alone = { federation: new Map(), federationFile: undefined }
  const federation = { ...alone, federationFile: '/rules.yaml' }
  expect([undefined, alone, federation].map((said) => longestProofSeconds(said, 7200))).toEqual([
    7200, 7200, 86_400,
  ])
  expect(longestProofSeconds(federation, 604_800)).toBe(604_800)
})

test('a resource’s tokens live five minutes unless told', () => {
  expect(read({})?.resources.get(orders.id)?.maxTtlSeconds).toBe(300)
  expect(read({ resources: [{ ...orders, max_ttl: '1h' }] })?.resources.size).toBe(1)
  expect(readOauth(undefined, trustDomain)).toBeUndefined()
})

test('a resource has the servers and the binding that it is given, and none by itself', () => {
  const scope_map = { 'orders:read': ['shop:read'] }
  const said = { ...orders, served_by: servers, scope_map, require_cnf: true }
  expect(read({ resources: [said] })?.resources.get(orders.id)).toMatchObject({
    servedBy: new Set(servers),
    scopeMap: new Map(Object.entries(scope_map)),
    requireCnf: true,
  })
  expect(read({})?.resources.get(orders.id)).toMatchObject({
    servedBy: new Set(),
    scopeMap: new Map(),
    requireCnf: false,
  })
})

test('a service is asked for its self-test where it says so, over TLS', () => {
  const self_test = 'https://orders.example.org/self-test'
  const settings = read({ resources: [{ ...orders, served_by: servers, self_test }] })
  expect(settings?.resources.get(orders.id)?.selfTest?.href).toBe(self_test)
  expect(read({})?.resources.get(orders.id)?.selfTest).toBeUndefined()
})

test('policies come from a folder, or from the store where it says just that', () => {
  expect(read({ policy: 'store' })?.policy).toBe('store')
  expect(read({ policy: './store' })?.policy).toMatch(/^\/.+\/store$/)
})

test('there are streams of events where they are named, for the resources that there are', () => {
  expect(read({})?.streams.size).toBe(0)
  const events = { id: 'https://events.example.org', scopes: ['ssf.read'] }
  const siem = { id: 'siem', audience: events.id, delivery: 'poll' }
  const settings = read({ resources: [orders, events], ssf: { streams: [siem] } })
  expect([...(settings?.streams.keys() ?? [])]).toEqual(['siem'])
  expect(() => read({ ssf: { streams: [siem] } })).toThrow(
    expect.objectContaining({ reason: 'config-oauth-ssf' }),
  )
})

test('environments are kept apart unless told; a resource may name its own, and its owner', () => {
  const own = { owner: 'shop', env: 'prod' }
  const settings = read({ resources: [{ ...orders, ...own }] })
  expect(settings?.separateEnvironments).toBe(true)
  expect(settings?.resources.get(orders.id)).toMatchObject(own)
  expect(read({})?.legacyEdges.size).toBe(0)
  const edges = ['spiffe://example.org/edge']
  expect(read({ legacy_edges: edges })?.legacyEdges).toEqual(new Set(edges))
  expect(read({ separate_environments: false })?.separateEnvironments).toBe(false)
})

const partner = { spiffe_id: 'spiffe://partner.example/billing', owner: 'partner-team' }

test('a workload of another trust domain is a client where it is named, with what is said of it', () => {
  const labels = { env: 'prod' }
  const clients = read({ foreign_clients: [{ ...partner, labels }] })?.foreignClients
  const id = SpiffeId.parse(partner.spiffe_id)
  expect(clients?.get(id)).toMatchObject({
    spiffeId: id,
    owner: 'partner-team',
    purpose: '',
    labels,
  })
  expect(clients?.size).toBe(1)
  expect(read({})?.foreignClients.size).toBe(0)
})

test('workloads of other trust domains are read from a file of their own, which is there in place of the list', () => {
  const folder = mkdtempSync(join(tmpdir(), 'cs-oauth-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const path = join(folder, 'clients.yaml')
  const inFile = (text: string, more: object = {}) => {
    writeFileSync(path, text)
    return read({ foreign_clients_file: path, ...more })
  }
  const list = JSON.stringify({ foreign_clients: [partner] })
  expect(inFile(list)).toMatchObject({ foreignClientsFile: path })
  expect(inFile(list)?.foreignClients.size).toBe(1)
  expect(read({})?.foreignClientsFile).toBe(undefined)
  const refused = (reason: string) => expect.objectContaining({ reason })
  expect(() => inFile(list, { foreign_clients: [] })).toThrow(refused('config-oauth'))
  const twice = JSON.stringify({ foreign_clients: [partner, partner] })
  expect(() => inFile(twice)).toThrow(refused('config-oauth'))
  expect(() => inFile('clients: []')).toThrow(refused('config-key'))
  expect(() => read({ foreign_clients_file: `${path}.none` })).toThrow(refused('config-unreadable'))
  chmodSync(path, 0o666)
  expect(() => inFile(list)).toThrow(refused('oauth-file-mode'))
})

test.for([
  { issuer: 'http://as.example.org' },
  { issuer: 'https://as.example.org/' },
  { issuer: 'https://as.example.org/path' },
  { issuer: 'https://AS.example.org' },
  { issuer: 'https://as.example.org:443' },
  { issuer: 'https://user@as.example.org' },
  { resources: [orders, orders] },
  { resources: [orders, { ...orders, id: `${orders.id}/` }] },
  { resources: [orders, { ...orders, id: 'https://ORDERS.example.org:443' }] },
  { foreign_clients: [partner, partner] },
  { foreign_clients: [{ ...partner, spiffe_id: 'spiffe://example.org/web' }] },
  { foreign_clients: [{ ...partner, spiffe_id: 'spiffe://partner.example' }] },
  { resources: [{ ...orders, max_ttl: '61m' }] },
  { resources: [{ ...orders, scope_map: { other: ['a'] } }] },
  { resources: [{ ...orders, scopes: ['orders:read', canaryScope] }] },
  { resources: [{ ...orders, self_test: 'https://orders.example.org/self-test' }] },
  ...['http://orders.example.org', 'https://orders.example.org#a', 'orders'].map((self_test) => ({
    resources: [{ ...orders, served_by: servers, self_test }],
  })),
])('is refused as config-oauth: %j', (said) => {
  expect(() => read(said)).toThrow(expect.objectContaining({ reason: 'config-oauth' }))
})

test.for([
  { resources: [] },
  { resources: [{ ...orders, id: '/orders' }] },
  { resources: [{ ...orders, id: `${orders.id}#part` }] },
  { resources: [{ ...orders, id: `${orders.id}/"` }] },
  { resources: [{ ...orders, scopes: ['a b'] }] },
  { resources: [{ ...orders, scopes: [] }] },
  { resources: [{ ...orders, scope: ['a'] }] },
  { resources: [{ ...orders, served_by: ['orders'] }] },
  { resources: [{ ...orders, scope_map: { 'orders:read': [] } }] },
  { resources: [{ ...orders, scope_map: { 'orders:read': ['a b'] } }] },
  { resources: [{ ...orders, served_by: ['spiffe://example.org/*'] }] },
  { policy: undefined },
  { foreign_clients: [{ spiffe_id: partner.spiffe_id }] },
  {
    foreign_clients: [
      { ...partner, labels: Object.fromEntries(Array.from({ length: 33 }, (_, n) => [n, ''])) },
    ],
  },
  { foreign_clients: [{ ...partner, spiffe_id: 'spiffe://partner.example/*' }] },
  { signing: 'none' },
  { signing: 'HS256' },
  { client_secret: 'x' },
])('is no config: %j', (said) => {
  expect(oauthSchema.safeParse({ ...file, ...said }).success).toBe(false)
})
