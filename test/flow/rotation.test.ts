import { X509Certificate } from 'node:crypto'
import { connect, createServer, type TLSSocket } from 'node:tls'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createClient } from '../../src/rpc/client.ts'
import { dialUnix, type RpcChannel } from '../../src/rpc/dial.ts'
import type { X509SVID } from '../../src/rpc/gen/X509SVID.ts'
import { splitCertificates } from '../../src/x509/certificate.ts'
import { toPem } from '../../src/x509/pem.ts'
import { agentIdOf, type RunningAgent, startAgent, untilHeld } from '../support/running-agent.ts'
import { type RunningServer, startServer, wireEntry } from '../support/running-server.ts'

let server: RunningServer
let agent: RunningAgent
let channel: RpcChannel

beforeAll(async () => {
  server = await startServer({
    overrides: {
      ca: { ttlSeconds: 32, keyKind: 'ec-p256', jwtKeyKind: 'ec-p256', jwtRs256Audiences: [] },
      // A machine that stands still for some seconds has half of it left to renew in.
      x509SvidTtlSeconds: 10,
    },
  })
  agent = await startAgent(server)
  channel = dialUnix(agent.socket)
})

afterAll(async () => {
  channel?.close()
  await agent?.stop()
  await server?.remove()
})

interface Material {
  readonly cert: string
  readonly key: string
  readonly ca: string
  readonly roots: readonly Buffer[]
  readonly serial: string
  readonly issuer: string
}

function materialOf(svid: X509SVID): Material {
  const chain = splitCertificates(svid.x509_svid)
  const roots = splitCertificates(svid.bundle)
  const leaf = new X509Certificate(chain[0] as Buffer)
  const pem = (der: readonly Buffer[]) => der.map((one) => toPem('CERTIFICATE', one)).join('')
  return {
    cert: pem(chain),
    key: toPem('PRIVATE KEY', svid.x509_svid_key),
    ca: pem(roots),
    roots,
    serial: leaf.serialNumber,
    issuer: leaf.issuer,
  }
}

test('CA rotation breaks no handshake: two services connect all the while, from before the new authority is published until the old one has ended', async () => {
  const { results } = await server
    .admin('spire.api.server.entry.v1.Entry')
    .unary('BatchCreateEntry', {
      entries: [
        wireEntry({
          path: '/service',
          parent: await agentIdOf(server),
          selectors: [`unix:uid:${process.getuid?.()}`],
        }),
      ],
    })
  await untilHeld(server, [results[0]?.entry?.id ?? ''])
  const leaving = new AbortController()
  let now: Material | undefined
  const serials = new Set<string>()
  const roots = new Set<string>()
  const signers = new Set<string>()
  const first = Promise.withResolvers<void>()
  /** How many SVIDs there had been when an authority was no longer among those of the bundle. */
  let atEnd: number | undefined
  let lost: unknown
  const tls = createServer({ requestCert: true, minVersion: 'TLSv1.3' }, (socket) => {
    socket.on('error', () => {})
    socket.end('hello')
  })
  const watching = (async () => {
    const stream = createClient('SpiffeWorkloadAPI', channel).serverStream(
      'FetchX509SVID',
      {},
      { metadata: { 'workload.spiffe.io': 'true' }, signal: leaving.signal },
    )
    for await (const { svids } of stream) {
      now = materialOf(svids[0] as X509SVID)
      serials.add(now.serial)
      signers.add(now.issuer)
      const held = now.roots.map((root) => root.toString('hex'))
      for (const root of held) roots.add(root)
      if ([...roots].some((root) => !held.includes(root))) atEnd ??= serials.size
      tls.setSecureContext({ cert: now.cert, key: now.key, ca: now.ca })
      first.resolve()
    }
  })()
  watching.catch((error: unknown) => {
    lost = error
    first.reject(error)
  })
  await first.promise
  await new Promise<void>((resolve) => tls.listen(0, '127.0.0.1', resolve))
  const { port } = tls.address() as { port: number }

  const failures = new Set<string>()
  let handshakes = 0
  // With the SVID that was there then, and with the next.
  while (lost === undefined && (atEnd === undefined || serials.size === atEnd)) {
    const { cert, key, ca } = now as Material
    const socket: TLSSocket = connect({
      host: '127.0.0.1',
      port,
      cert,
      key,
      ca,
      minVersion: 'TLSv1.3',
      checkServerIdentity: () => undefined,
    })
    await new Promise<void>((resolve) => {
      socket.once('data', () => {
        handshakes += 1
        resolve()
      })
      socket.once('error', (error) => {
        failures.add(error.message)
        resolve()
      })
    })
    socket.destroy()
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  expect(lost).toBeUndefined()
  leaving.abort()
  await watching.catch(() => {})
  await new Promise((resolve) => tls.close(resolve))
  expect(failures).toEqual(new Set())
  expect(handshakes).toBeGreaterThan(100)
  expect(serials.size).toBeGreaterThan(3)
  expect(roots.size).toBeGreaterThanOrEqual(2)
  expect(signers.size).toBeGreaterThanOrEqual(2)
})
