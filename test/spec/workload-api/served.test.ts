import { createPrivateKey, X509Certificate } from 'node:crypto'
import { decodeJwt, decodeProtectedHeader } from 'jose'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { encodeX509Svids } from '../../../agent/workload-endpoint/messages.ts'
import { createClient, type RpcClient } from '../../../src/rpc/client.ts'
import { dialUnix, type RpcChannel } from '../../../src/rpc/dial.ts'
import type { SpiffeWorkloadAPIDefinition } from '../../../src/rpc/gen/SpiffeWorkloadAPI.ts'
import type { X509SVID } from '../../../src/rpc/gen/X509SVID.ts'
import { serviceDefinition } from '../../../src/rpc/services.ts'
import { SpiffeId } from '../../../src/spiffe-id/spiffe-id.ts'
import { verifyX509Svid } from '../../../src/svid/x509-svid.ts'
import { parseCertificate, splitCertificates } from '../../../src/x509/certificate.ts'
import { agentIdOf, type RunningAgent, startAgent } from '../../support/running-agent.ts'
import { type RunningServer, startServer, wireEntry } from '../../support/running-server.ts'
import { bundleOf, sourceOf } from '../../support/x509-fixtures.ts'
import {
  derOf,
  entryOf,
  identityOf,
  signing,
  trustDomain,
} from '../../unit/agent/workload-endpoint/identities.ts'

// What a workload is handed by a real agent, which has it from a real server.
let server: RunningServer
let agent: RunningAgent
let channel: RpcChannel
let workload: RpcClient<SpiffeWorkloadAPIDefinition>
let svids: readonly X509SVID[]

const metadata = { 'workload.spiffe.io': 'true' }

beforeAll(async () => {
  server = await startServer()
  agent = await startAgent(server)
  const parent = await agentIdOf(server)
  const entries = server.admin('spire.api.server.entry.v1.Entry')
  const { results } = await entries.unary('BatchCreateEntry', {
    entries: ['/web', '/db'].map((path) =>
      wireEntry({ path, parent, selectors: [`unix:uid:${process.getuid?.()}`] }),
    ),
  })
  channel = dialUnix(agent.socket)
  workload = createClient('SpiffeWorkloadAPI', channel)
  const position = (await server.admin('countersign.fleet.v1.Fleet').unary('ListStatus', {}))
    .position
  await server.admin('countersign.registry.v1.Registry').unary('WaitApplied', {
    entry_ids: results.map(({ entry }) => entry?.id ?? ''),
    position,
    timeout_ms: 5000,
  })
  svids = (await x509Svids()).svids
})

afterAll(async () => {
  channel?.close()
  await agent?.stop()
  await server?.remove()
})

const x509Svids = () => first(workload.serverStream('FetchX509SVID', {}, { metadata }))
const x509Bundles = () => first(workload.serverStream('FetchX509Bundles', {}, { metadata }))
const jwtBundles = () => first(workload.serverStream('FetchJWTBundles', {}, { metadata }))

/** The first message of a stream, which is then left. */
async function first<T>(stream: AsyncIterable<T>): Promise<T> {
  for await (const message of stream) return message
  throw new Error('ended without a message')
}

test('WLA-01 all calls of the X.509 profile and of the JWT profile are answered', async () => {
  const own = 'spiffe://example.org'
  expect((await x509Bundles()).bundles[own]).toEqual(svids[0]?.bundle)
  const keys = JSON.parse(String((await jwtBundles()).bundles[own])).keys
  const jwt = await workload.unary('FetchJWTSVID', { audience: ['db'] }, { metadata })
  const kid = decodeProtectedHeader(jwt.svids[0]?.svid ?? '').kid
  expect(keys.map((key: { kid: string }) => key.kid)).toContain(kid)
  const asked = { audience: 'db', svid: jwt.svids[0]?.svid ?? '' }
  const told = await workload.unary('ValidateJWTSVID', asked, { metadata })
  expect(told.spiffe_id).toBe(jwt.svids[0]?.spiffe_id)
})

test('WLA-40 WLA-42 a token says whom it is of and whom it is for, all that were asked for', async () => {
  const audience = ['db', 'https://api.example.org']
  const jwt = await workload.unary('FetchJWTSVID', { audience }, { metadata })
  expect(jwt.svids).toHaveLength(2)
  for (const { spiffe_id, svid } of jwt.svids) {
    expect(decodeJwt(svid)).toMatchObject({ sub: spiffe_id, aud: audience })
  }
})

test('WLA-21 every field of an X509-SVID but the hint is set', () => {
  for (const { spiffe_id, x509_svid, x509_svid_key, bundle } of svids) {
    expect(SpiffeId.parse(spiffe_id)).toBe(spiffe_id)
    for (const bytes of [x509_svid, x509_svid_key, bundle]) expect(bytes.length).toBeGreaterThan(64)
  }
})

test('WLA-22 the chain is DER on DER, leaf first, and leads to the bundle', () => {
  for (const { spiffe_id, x509_svid, bundle } of svids) {
    const chain = splitCertificates(x509_svid)
    expect(Buffer.concat(chain)).toEqual(x509_svid)
    expect(parseCertificate(chain[0] ?? x509_svid).uris).toEqual([spiffe_id])
    const source = sourceOf(bundleOf('example.org', { der: bundle }))
    expect(verifyX509Svid(chain, source, new Date()).spiffeId).toBe(spiffe_id)
  }
})

test('WLA-22 an intermediate follows the leaf', () => {
  const entry = entryOf('/web', [])
  const { svid } = identityOf(entry)
  const chain = [derOf('leaf'), derOf('intermediate')]
  const update = {
    entries: [entry],
    identities: [{ entry, svid: { ...svid, chain } }],
    bundle: signing(trustDomain).bundle,
    federated: new Map(),
  }
  const message = encodeX509Svids(update, () => {})
  const { FetchX509SVID } = serviceDefinition('SpiffeWorkloadAPI')
  const [sent] = FetchX509SVID.responseDeserialize(message).svids
  expect(splitCertificates(sent?.x509_svid ?? Buffer.alloc(0))).toEqual(chain)
})

test('WLA-23 the key is the leaf’s, as PKCS#8 in DER and not encrypted', () => {
  for (const { x509_svid, x509_svid_key } of svids) {
    const key = createPrivateKey({ key: x509_svid_key, format: 'der', type: 'pkcs8' })
    expect(new X509Certificate(x509_svid).checkPrivateKey(key)).toBe(true)
    expect(key.export({ format: 'der', type: 'pkcs8' })).toEqual(x509_svid_key)
  }
})

test('WLA-24 bundles are certificates in DER, not PEM', async () => {
  const { bundles } = await x509Bundles()
  for (const bundle of [...Object.values(bundles), ...svids.map((svid) => svid.bundle)]) {
    expect(bundle[0]).toBe(0x30)
    for (const der of splitCertificates(bundle)) {
      expect(parseCertificate(der).basicConstraints?.ca).toBe(true)
    }
  }
})

test('WLA-20 there is one for each entry', () => {
  expect(svids.map((svid) => svid.spiffe_id).sort()).toEqual([
    'spiffe://example.org/db',
    'spiffe://example.org/web',
  ])
})
