import { createPrivateKey } from 'node:crypto'
import { readFileSync, rmSync } from 'node:fs'
import type { RequestListener } from 'node:http'
import { join } from 'node:path'
import SqliteDatabase from 'better-sqlite3'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { type FederationSettings, readFederation } from '../../server/bundle/settings.ts'
import { writeBundleDocument } from '../../src/bundle/document.ts'
import type { TlsIdentity } from '../../src/mtls/context.ts'
import { type Fields, type Log, silentLog } from '../../src/runtime/log.ts'
import { fromPem } from '../../src/x509/pem.ts'
import { freePort } from '../support/free-port.ts'
import { startEndpoint, type TestEndpoint } from '../support/https-endpoint.ts'
import { reasonOf } from '../support/reason-of.ts'
import { type RunningServer, startServer } from '../support/running-server.ts'
import { type WebCertificate, webCertificate } from '../support/web-certificate.ts'
import { bundleOf, type Made, root } from '../support/x509-fixtures.ts'
import { identity } from '../unit/mtls/identities.ts'

/*
 * Another trust domain's bundle endpoint, played by a web server that can be made to lie.
 */

const peer = 'partner.test'
const endpointId = 'spiffe://partner.test/spire/server'
const day = 86_400_000
const today = { notBefore: new Date(Date.now() - day), notAfter: new Date(Date.now() + day) }
const tried = new Set(['federated bundle fetched'])
tried.add('federated bundle not fetched: the one that there is stays')

let web: WebCertificate
let webIdentity: TlsIdentity
let authority: Made

beforeAll(async () => {
  web = await webCertificate('localhost')
  webIdentity = {
    chain: fromPem(readFileSync(web.certificate, 'utf8')).map(({ der }) => der),
    privateKey: createPrivateKey(readFileSync(web.key)).export({ format: 'der', type: 'pkcs8' }),
  }
  authority = await root(peer, today)
})

afterAll(() => rmSync(web.folder, { recursive: true, force: true }))

function document(sequence: bigint, refreshHintSeconds = 300): string {
  return writeBundleDocument({ ...bundleOf(peer, authority), sequence, refreshHintSeconds })
}

interface World {
  readonly server: RunningServer
  /** What the log said of the next fetch. */
  nextFetch(): Promise<Fields>
  metric(name: string): Promise<string | undefined>
}

async function start(
  federation: Partial<FederationSettings> = { allowedNetworks: ['127.0.0.1'] },
): Promise<World> {
  const port = await freePort()
  const fetches: Fields[] = []
  let heard = (): void => {}
  const hear = (message: string, fields: Fields = {}): void => {
    if (!tried.has(message)) return
    fetches.push(fields)
    heard()
  }
  const log: Log = { ...silentLog, info: hear, warn: hear }
  const server = await startServer({
    log,
    overrides: {
      httpAddress: { host: '127.0.0.1', port },
      federation: { ...readFederation(), webCa: web.ca, ...federation },
    },
  })
  onTestFinished(() => server.remove())
  return {
    server,
    async nextFetch() {
      for (;;) {
        const [fetched] = fetches.splice(0, 1)
        if (fetched !== undefined) return fetched
        await new Promise<void>((resolve) => {
          heard = resolve
        })
      }
    },
    async metric(name) {
      const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text()
      return text
        .split('\n')
        .find((line) => line.startsWith(`${name} `))
        ?.slice(name.length + 1)
    },
  }
}

const refused = 'countersign_server_federation_fetches_total{outcome="refused"}'

function create(server: RunningServer, fields: Record<string, unknown>) {
  return server
    .admin('spire.api.server.trustdomain.v1.TrustDomain')
    .unary('BatchCreateFederationRelationship', {
      federation_relationships: [{ trust_domain: peer, ...fields }],
    })
}

function refresh({ server }: World): Promise<string> {
  const client = server.admin('spire.api.server.trustdomain.v1.TrustDomain')
  return reasonOf(client.unary('RefreshBundle', { trust_domain: peer }))
}

async function heldBy({ server }: World) {
  const client = server.admin('spire.api.server.bundle.v1.Bundle')
  return client.unary('GetFederatedBundle', { trust_domain: peer })
}

/** When the bundle was last found to be that of its trust domain, as the store has it; in milliseconds. */
function confirmedBy({ server }: World): number {
  const database = new SqliteDatabase(join(server.config.dataDir, 'store.sqlite'))
  const body = database.prepare('select body from bundle_confirmations').pluck().get()
  database.close()
  return Number(body)
}

function asWeb(endpoint: TestEndpoint) {
  return { bundle_endpoint_url: `https://localhost:${endpoint.port}/`, https_web: {} }
}

test('FED-08 FED-37 by https_web a relationship brings its bundle by itself, and the trail says so', async () => {
  const endpoint = await startEndpoint(webIdentity, (_, response) => response.end(document(7n)))
  const world = await start()
  await create(world.server, asWeb(endpoint))
  expect(await world.nextFetch()).toMatchObject({ trustDomain: peer, outcome: 'changed' })
  expect(await heldBy(world)).toMatchObject({ sequence_number: '7', refresh_hint: '300' })
  const before = confirmedBy(world)
  expect(await refresh(world)).toBe('accepted')
  expect(await world.nextFetch()).toMatchObject({ outcome: 'unchanged' })
  expect(confirmedBy(world)).toBeGreaterThan(before)
  expect(await world.metric('countersign_server_federation_stale')).toBe('0')
  const trail = readFileSync(world.server.config.auditFile, 'utf8').split('\n')
  const [set, ...more] = trail.filter((line) => line.includes('bundle.set'))
  expect(set).toContain('"actor":{"kind":"server"}')
  expect(more).toEqual([])
})

test('FED-08 FED-25 FED-26 by https_spiffe it needs the bundle to begin with', async () => {
  const svid = await identity(authority, endpointId, [], today)
  const endpoint = await startEndpoint(svid, (_, response) => response.end(document(8n)))
  const world = await start()
  const fields = {
    bundle_endpoint_url: `https://127.0.0.1:${endpoint.port}/`,
    https_spiffe: { endpoint_spiffe_id: endpointId },
  }
  await create(world.server, fields)
  expect(await world.nextFetch()).toMatchObject({
    error: {
      reason: 'svid-no-bundle',
      fix: expect.stringContaining(`countersign bundle set --trust-domain ${peer} --file`),
    },
  })
  await world.server.admin('spire.api.server.bundle.v1.Bundle').unary('BatchSetFederatedBundle', {
    bundle: [{ trust_domain: peer, x509_authorities: [{ asn1: authority.der }] }],
  })
  expect(await refresh(world)).toBe('accepted')
  expect(await heldBy(world)).toMatchObject({ sequence_number: '8' })
})

test('T8 unless its network is allowed, nothing on a private address is asked', async () => {
  const endpoint = await startEndpoint(webIdentity, (_, response) => response.end(document(7n)))
  const world = await start({ allowedNetworks: [] })
  await create(world.server, asWeb(endpoint))
  expect(await world.nextFetch()).toMatchObject({ error: { reason: 'federation-address' } })
  expect(await refresh(world)).toBe('federation-address')
  expect(endpoint.connections).toEqual([])
})

test('T9 whatever lies, the old bundle stays, and the alarm counts it', async () => {
  const foreign = await root(peer, today)
  const good = await identity(authority, endpointId, [], today)
  let answer: RequestListener = (_, response) => response.end(document(7n))
  const endpoint = await startEndpoint(good, (request, response) => answer(request, response))
  const world = await start()
  await create(world.server, {
    bundle_endpoint_url: `https://127.0.0.1:${endpoint.port}/`,
    https_spiffe: { endpoint_spiffe_id: endpointId },
    trust_domain_bundle: { trust_domain: peer, x509_authorities: [{ asn1: authority.der }] },
  })
  expect(await world.nextFetch()).toMatchObject({ outcome: 'changed' })
  const held = await heldBy(world)

  const saying = (text: string): RequestListener => {
    return (_, response) => response.end(text)
  }
  const key = { kty: 'EC', crv: 'P-256', use: 'jwt-svid', kid: 'same' }
  const x = foreign.certificate.publicKey.export({ format: 'jwk' })
  const y = authority.certificate.publicKey.export({ format: 'jwk' })
  const twice = JSON.stringify({
    keys: [
      { ...x, ...key },
      { ...y, ...key },
    ],
    spiffe_sequence: 9,
  })
  const lies: readonly (readonly [string | RegExp, TlsIdentity, RequestListener])[] = [
    [/^svid-chain-/, await identity(foreign, endpointId, [], today), saying(document(9n))],
    ['svid-uri-count', webIdentity, saying(document(9n))],
    [
      'svid-no-bundle',
      await identity(authority, 'spiffe://other.test/a', [], today),
      saying(document(9n)),
    ],
    [
      'federation-endpoint-id',
      await identity(authority, `${endpointId}/2`, [], today),
      saying(document(9n)),
    ],
    ['federation-sequence', good, saying(document(6n))],
    ['federation-empty', good, saying('{"keys":[],"spiffe_sequence":9}')],
    ['bundle-malformed', good, saying(document(9n).slice(0, -1))],
    ['bundle-key-id', good, saying(twice)],
  ]
  for (const [at, [reason, shown, lie]] of lies.entries()) {
    endpoint.become(shown)
    answer = lie
    expect(await refresh(world)).toEqual(
      typeof reason === 'string' ? reason : expect.stringMatching(reason),
    )
    expect(await world.metric(refused)).toBe(String(at + 1))
    expect(await heldBy(world)).toEqual(held)
  }
  expect(await world.metric('countersign_server_federation_failing')).toBe('1')
  const status = world.server.admin('countersign.federation.v1.Federation')
  expect((await status.unary('ListStatus', {})).relationships).toMatchObject([
    { trust_domain: peer, failures: lies.length, reason: 'bundle-key-id' },
  ])

  endpoint.become(good)
  answer = saying(document(10n))
  expect(await refresh(world)).toBe('accepted')
  expect(await heldBy(world)).toMatchObject({ sequence_number: '10' })
  expect(await world.metric('countersign_server_federation_failing')).toBe('0')
})

test('FED-06 what an operator sets counts until the next fetch', async () => {
  const endpoint = await startEndpoint(webIdentity, (_, response) => response.end(document(7n)))
  const world = await start()
  await create(world.server, asWeb(endpoint))
  await world.nextFetch()
  const { der } = await root(peer, today)
  await world.server.admin('spire.api.server.bundle.v1.Bundle').unary('BatchSetFederatedBundle', {
    bundle: [{ trust_domain: peer, x509_authorities: [{ asn1: der }], sequence_number: 7 }],
  })
  expect((await heldBy(world)).x509_authorities[0]?.asn1).toEqual(der)
  expect(await refresh(world)).toBe('accepted')
  expect((await heldBy(world)).x509_authorities[0]?.asn1).toEqual(authority.der)
})

test('what is fetched for a relationship that was deleted meanwhile is not kept', async () => {
  const asked = Promise.withResolvers<void>()
  const go = Promise.withResolvers<void>()
  const endpoint = await startEndpoint(webIdentity, (_, response) => {
    asked.resolve()
    void go.promise.then(() => response.end(document(7n)))
  })
  const world = await start()
  await create(world.server, asWeb(endpoint))
  await asked.promise
  await world.server
    .admin('spire.api.server.trustdomain.v1.TrustDomain')
    .unary('BatchDeleteFederationRelationship', { trust_domains: [peer] })
  go.resolve()
  expect(await world.nextFetch()).toMatchObject({ error: { reason: 'federation-changed' } })
  expect(await world.metric(refused)).toBeUndefined()
  expect(await reasonOf(heldBy(world))).toBe('bundle-not-found')
})

test('who asks for a fetch gets it from the endpoint of now, whatever else is under way', async () => {
  const asked = Promise.withResolvers<void>()
  const go = Promise.withResolvers<void>()
  const before = await startEndpoint(webIdentity, (_, response) => {
    asked.resolve()
    void go.promise.then(() => response.end(document(7n)))
  })
  const now = await startEndpoint(webIdentity, (_, response) => response.end(document(8n)))
  const world = await start()
  await create(world.server, asWeb(before))
  await asked.promise
  const update = { trust_domain: peer, ...asWeb(now) }
  await world.server
    .admin('spire.api.server.trustdomain.v1.TrustDomain')
    .unary('BatchUpdateFederationRelationship', { federation_relationships: [update] })
  const refreshed = refresh(world)
  go.resolve()
  expect(await refreshed).toBe('accepted')
  expect(await heldBy(world)).toMatchObject({ sequence_number: '8' })
})

test('a peer that does not answer keeps no other waiting', async () => {
  const asked = Promise.withResolvers<void>()
  const silent = await startEndpoint(webIdentity, () => asked.resolve())
  const world = await start()
  await create(world.server, asWeb(silent))
  await asked.promise
  const name = 'other.test'
  const other = writeBundleDocument({ ...bundleOf(name, await root(name, today)), sequence: 1n })
  const endpoint = await startEndpoint(webIdentity, (_, response) => response.end(other))
  await create(world.server, { ...asWeb(endpoint), trust_domain: name })
  expect(await world.nextFetch()).toMatchObject({ trustDomain: name, outcome: 'changed' })
})

test('CAs for https_web that cannot be read raise no alarm about the endpoint', async () => {
  const endpoint = await startEndpoint(webIdentity, (_, response) => response.end(document(7n)))
  const world = await start({ allowedNetworks: ['127.0.0.1'], webCa: '/nowhere/ca.pem' })
  await create(world.server, asWeb(endpoint))
  expect(await world.nextFetch()).toMatchObject({ error: { reason: 'federation-web-ca' } })
  expect(await world.metric(refused)).toBeUndefined()
})
