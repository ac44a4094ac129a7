import { readFileSync, rmSync } from 'node:fs'
import { connect as tlsConnect } from 'node:tls'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { readFederation } from '../../server/bundle/settings.ts'
import type { ServerConfig } from '../../server/config.ts'
import { connectMtls, listenMtls } from '../../src/mtls/mutual-tls.ts'
import { type Fields, type Log, silentLog } from '../../src/runtime/log.ts'
import { matchId } from '../../src/spiffe-id/matchers.ts'
import { SpiffeId, TrustDomain } from '../../src/spiffe-id/spiffe-id.ts'
import { WorkloadApiClient } from '../../src/workload-api/client.ts'
import { X509Source } from '../../src/workload-api/x509-source.ts'
import { freePort } from '../support/free-port.ts'
import { reasonOf } from '../support/reason-of.ts'
import { type RunningAgent, startAgent } from '../support/running-agent.ts'
import { type RunningServer, startServer, wireEntry } from '../support/running-server.ts'
import { type WebCertificate, webCertificate } from '../support/web-certificate.ts'

/*
 * Two servers federate with each other. `left.test` serves its bundle by the Web PKI, `right.test` by
 * its own SVID; each has an agent and a workload, which is this process.
 */

interface Side {
  readonly name: TrustDomain
  readonly server: RunningServer
  readonly port: number
  readonly agent: RunningAgent
  /** Resolves with the next change that it fetched of the other side's bundle. */
  nextChange(): Promise<Fields>
}

// Peers ask for the bundle each 5 s, a tenth of the authority's life.
const caSeconds = 50
let web: WebCertificate
let left: Side
let right: Side

async function startSide(
  name: string,
  federation: Partial<ServerConfig['federation']>,
): Promise<Side> {
  const trustDomain = TrustDomain.parse(name)
  const changes: Fields[] = []
  let heard = (): void => {}
  const log: Log = {
    ...silentLog,
    info(message, fields = {}) {
      if (message !== 'federated bundle fetched' || fields['outcome'] !== 'changed') return
      changes.push(fields)
      heard()
    },
  }
  const settings = { ...readFederation(), allowedNetworks: ['127.0.0.1'], webCa: web.ca }
  const server = await startServer({
    log,
    overrides: {
      trustDomain,
      ca: {
        ttlSeconds: caSeconds,
        keyKind: 'ec-p256',
        jwtKeyKind: 'ec-p256',
        jwtRs256Audiences: [],
      },
      x509SvidTtlSeconds: 30,
      agentTtlSeconds: 30,
      federation: { ...settings, ...federation },
    },
  })
  return {
    name: trustDomain,
    server,
    port: federation.endpoint?.address.port ?? 0,
    agent: await startAgent(server, { overrides: { trustDomain } }),
    async nextChange() {
      for (;;) {
        const [change] = changes.splice(0, 1)
        if (change !== undefined) return change
        await new Promise<void>((resolve) => {
          heard = resolve
        })
      }
    },
  }
}

async function agentOf({ server }: Side) {
  const client = server.admin('spire.api.server.agent.v1.Agent')
  return (await client.unary('ListAgents', {})).agents[0]
}

async function agentSerial(side: Side): Promise<string | undefined> {
  return (await agentOf(side))?.x509svid_serial_number
}

/** An entry for this process, which knows the other trust domain. */
async function enter(side: Side, other: TrustDomain): Promise<void> {
  const agent = await agentOf(side)
  const { results } = await side.server
    .admin('spire.api.server.entry.v1.Entry')
    .unary('BatchCreateEntry', {
      entries: [
        wireEntry({
          path: '/workload',
          parent: SpiffeId.of(side.name, agent?.id?.path ?? ''),
          selectors: [`unix:uid:${process.getuid?.()}`],
          spiffe_id: { trust_domain: side.name, path: '/workload' },
          federates_with: [other],
        }),
      ],
    })
  expect(results.map(({ status }) => status?.code)).toEqual([0])
}

async function relate(side: Side, fields: Record<string, unknown>): Promise<void> {
  const { results } = await side.server
    .admin('spire.api.server.trustdomain.v1.TrustDomain')
    .unary('BatchCreateFederationRelationship', { federation_relationships: [fields] })
  expect(results.map(({ status }) => status?.code)).toEqual([0])
  await side.nextChange()
}

function authorities({ server }: Side) {
  return server.admin('spire.api.server.localauthority.v1.LocalAuthority')
}

function bundleOf({ server }: Side) {
  return server.admin('spire.api.server.bundle.v1.Bundle').unary('GetBundle', {})
}

function heldBy({ server }: Side, name: TrustDomain) {
  const client = server.admin('spire.api.server.bundle.v1.Bundle')
  return client.unary('GetFederatedBundle', { trust_domain: name })
}

beforeAll(async () => {
  web = await webCertificate('localhost')
  const address = async () => ({ host: '127.0.0.1', port: await freePort() })
  const files = { certificate: web.certificate, key: web.key }
  left = await startSide('left.test', {
    endpoint: { address: await address(), profile: { type: 'https_web', ...files } },
  })
  right = await startSide('right.test', {
    endpoint: { address: await address(), profile: { type: 'https_spiffe' } },
  })
  await relate(left, {
    trust_domain: right.name,
    bundle_endpoint_url: `https://127.0.0.1:${right.port}/`,
    https_spiffe: { endpoint_spiffe_id: `spiffe://${right.name}/spire/server` },
    // What an operator brings over by hand is older than what is served by then.
    trust_domain_bundle: { ...(await bundleOf(right)), sequence_number: 0 },
  })
  await relate(right, {
    trust_domain: left.name,
    bundle_endpoint_url: `https://localhost:${left.port}/`,
    https_web: {},
  })
  await enter(left, right.name)
  await enter(right, left.name)
})

afterAll(async () => {
  for (const side of [left, right]) {
    await side?.agent.stop()
    await side?.server.remove()
  }
  rmSync(web.folder, { recursive: true, force: true })
})

function openSource({ agent }: Side): Promise<X509Source> {
  return X509Source.open({ endpoint: `unix://${agent.socket}` })
}

test('FED-02 FED-08 FED-30 workloads of two trust domains trust each other over a rotation of the CA', async () => {
  await using here = await openSource(left)
  await using there = await openSource(right)
  const listener = await listenMtls({
    source: there,
    authorize: matchId(here.svid().spiffeId),
    host: '127.0.0.1',
    port: 0,
    onConnection: (socket, { spiffeId }) => socket.end(spiffeId),
  })
  const meet = async (): Promise<string> => {
    const { socket, peer } = await connectMtls({
      source: here,
      authorize: matchId(there.svid().spiffeId),
      host: '127.0.0.1',
      port: listener.address.port,
    })
    const answer = await socket.setEncoding('utf8').toArray()
    return `${answer.join('')} ${peer.spiffeId}`
  }
  const met = 'spiffe://left.test/workload spiffe://right.test/workload'
  expect(await meet()).toBe(met)

  const ca = authorities(right)
  const old = (await ca.unary('GetX509AuthorityState', {})).active?.authority_id ?? ''
  const prepared = await ca.unary('PrepareX509Authority', {})
  const next = prepared.prepared_authority?.authority_id ?? ''
  // The other side learns of the new authority by its own poll, before anything is signed by it.
  await left.nextChange()
  await ca.unary('ActivateX509Authority', { authority_id: next })
  const before = there.svid()
  const agentBefore = await agentSerial(right)
  const renewed = new Promise<void>((resolve) => there.onUpdate(resolve))
  await ca.unary('TaintX509Authority', { authority_id: old })
  await renewed
  expect(there.svid().chain[0]).not.toEqual(before.chain[0])
  expect(await meet()).toBe(met)

  await expect.poll(() => agentSerial(right)).not.toBe(agentBefore)
  await ca.unary('RevokeX509Authority', { authority_id: old })
  // The taint alone may have been fetched as a change of its own.
  while ((await heldBy(left, right.name)).x509_authorities.length > 1) await left.nextChange()
  await expect.poll(() => here.bundleOf(right.name)?.x509Authorities.length).toBe(1)
  expect(await meet()).toBe(met)
  await listener.close()
})

test('FED-34 a token of one trust domain is good in the other, where that one is known', async () => {
  await using here = new WorkloadApiClient({ endpoint: `unix://${left.agent.socket}` })
  await using there = new WorkloadApiClient({ endpoint: `unix://${right.agent.socket}` })
  const audience = 'spiffe://right.test/workload'
  const { token } = await here.fetchJwtSvid(audience)
  const validate = () => there.validateJwtSvid(token, audience)
  expect((await validate()).spiffeId).toBe('spiffe://left.test/workload')
  await right.server
    .admin('spire.api.server.trustdomain.v1.TrustDomain')
    .unary('BatchDeleteFederationRelationship', { trust_domains: [left.name] })
  await right.server
    .admin('spire.api.server.bundle.v1.Bundle')
    .unary('BatchDeleteFederatedBundle', { trust_domains: [left.name], mode: 'DISSOCIATE' })
  await expect.poll(() => reasonOf(validate())).toBe('token-refused')
})

test('FED-09 FED-15 FED-16 FED-17 the endpoint answers anybody with the bundle as it is now', async () => {
  const sequenceOf = async (side: Side) => Number((await bundleOf(side)).sequence_number)
  for (const side of [left, right]) {
    const { port } = side
    /** What it serves while the bundle stays what it is: by themselves authorities are replaced here within seconds. */
    const served = async () => {
      for (;;) {
        const before = await sequenceOf(side)
        const { body, headers, status } = await ask(port, 'GET /')
        if ((await sequenceOf(side)) !== before) continue
        expect(status).toBe(200)
        expect(headers).toMatch(/^content-type: application\/json/im)
        expect(JSON.parse(body)).toMatchObject({ spiffe_sequence: before })
        return before
      }
    }
    const before = await served()
    await authorities(side).unary('PrepareJWTAuthority', {})
    expect(await served()).toBeGreaterThan(before)
    expect((await ask(port, 'POST /')).status).toBe(405)
    expect((await ask(port, 'GET /etc/passwd')).status).toBe(404)
    expect((await ask(port, 'HEAD /')).body).toBe('')
  }
})

test('FED-09 TLS older than 1.2, and suites without forward secrecy, are refused', async () => {
  const refusedBy = (port: number, options: object) =>
    new Promise<string>((resolve) => {
      const socket = tlsConnect({ port, host: '127.0.0.1', rejectUnauthorized: false, ...options })
      socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? ''))
      socket.once('secureConnect', () => {
        socket.destroy()
        resolve('accepted')
      })
    })
  for (const { port } of [left, right]) {
    const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' }
    expect(await refusedBy(port, old)).not.toBe('accepted')
    const static12 = { maxVersion: 'TLSv1.2', ciphers: 'AES128-SHA:AES256-GCM-SHA384' }
    expect(await refusedBy(port, static12)).not.toBe('accepted')
    expect(await refusedBy(port, { maxVersion: 'TLSv1.2' })).toBe('accepted')
    expect(await refusedBy(port, { minVersion: 'TLSv1.3' })).toBe('accepted')
  }
})

test('FED-28 the endpoint of https_spiffe shows an X509-SVID', async () => {
  const uri = await new Promise<string | undefined>((resolve, reject) => {
    const socket = tlsConnect({ port: right.port, host: '127.0.0.1', rejectUnauthorized: false })
    socket.once('error', reject)
    socket.once('secureConnect', () => {
      resolve(socket.getPeerX509Certificate()?.subjectAltName)
      socket.destroy()
    })
  })
  expect(uri).toContain('URI:spiffe://right.test/spire/server')
})

/** One request, without a certificate. */
function ask(
  port: number,
  request: string,
): Promise<{ readonly status: number; readonly headers: string; readonly body: string }> {
  return new Promise((resolve, reject) => {
    let text = ''
    const ca = readFileSync(web.ca)
    const socket = tlsConnect({ port, host: '127.0.0.1', ca, rejectUnauthorized: false })
    socket.once('error', reject)
    socket.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk
    })
    socket.once('end', () => {
      const at = text.indexOf('\r\n\r\n')
      resolve({
        status: Number(text.split(' ')[1]),
        headers: text.slice(0, at),
        body: text.slice(at + 4),
      })
    })
    socket.write(`${request} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n`)
  })
}
