// Mutual TLS with an identity source at both ends, against node:tls with the same keys from static files:
// handshakes of peers that were seen before and of peers that never were, and requests on connections that
// are kept. Both ends share a process, so that a handshake counts with all that it costs. Then: how long
// after a message of the Workload API a new handshake shows the new SVID.
import { once } from 'node:events'
import { createServer as createPlainHttps, Agent as PlainAgent, request } from 'node:https'
import type { AddressInfo, Server } from 'node:net'
import {
  connect as connectPlain,
  createServer as createPlain,
  createSecureContext,
  type TLSSocket,
} from 'node:tls'
import { secureContextOf } from '../src/mtls/context.ts'
import { Agent } from '../src/mtls/http-client.ts'
import { createServer as createHttps } from '../src/mtls/http-server.ts'
import type { IdentitySource } from '../src/mtls/identity-source.ts'
import { connectMtls, createMtlsServer } from '../src/mtls/mutual-tls.ts'
import { matchTrustDomain } from '../src/spiffe-id/matchers.ts'
import { SpiffeId } from '../src/spiffe-id/spiffe-id.ts'
import type { X509Svid } from '../src/svid/x509-svid.ts'
import { FakeWorkloadApi } from '../src/testing/fake-workload-api.ts'
import { X509Source } from '../src/workload-api/x509-source.ts'
import { toPem } from '../src/x509/pem.ts'
import { closedLoop, compare, type Load } from './support/load.ts'
import { bounded, median, report, short } from './support/report.ts'

const host = '127.0.0.1'
const handshakesAtATime = 8
const requestsAtATime = 16
// More than are remembered: whoever comes around again has been forgotten.
const strangers = 1500
const updates = short ? 5 : 50

const api = await FakeWorkloadApi.start()
const { trustDomain } = api
const bundle = trustDomain.bundle
const authorize = matchTrustDomain(trustDomain.name)
const svidOf = (name: string): Promise<X509Svid> =>
  trustDomain.issueX509(SpiffeId.of(trustDomain.name, `/${name}`))
const server = await svidOf('server')
const client = await svidOf('client')

const sourceOf = (svid: X509Svid): IdentitySource => ({
  svid: () => svid,
  bundleOf: (name) => (name === trustDomain.name ? bundle : undefined),
  onUpdate: () => () => {},
})

/** What a program without any library reads from its files. */
const filesOf = (svid: X509Svid) => ({
  cert: svid.chain.map((der) => toPem('CERTIFICATE', der)).join(''),
  key: toPem('PRIVATE KEY', svid.privateKey),
  ca: bundle.x509Authorities.map(({ certificate }) => toPem('CERTIFICATE', certificate)),
})

async function portOf(listening: Server): Promise<number> {
  listening.listen(0, host)
  await once(listening, 'listening')
  return (listening.address() as AddressInfo).port
}

/** Until the server has said something, which is after it has checked the client. */
async function greeted(socket: TLSSocket): Promise<void> {
  socket.on('error', () => {})
  const isGreeted = await new Promise((resolve) => {
    socket.once('data', () => resolve(true)).once('close', () => resolve(false))
  })
  if (!isGreeted) throw new Error('a client was hung up on')
  socket.destroy()
}

function load(clients: number, call: () => Promise<unknown>): Promise<Load> {
  return closedLoop(
    Array.from({ length: clients }, () => call),
    { pid: process.pid },
  )
}

async function handshakes() {
  const greet = (socket: TLSSocket): void => {
    socket.on('error', () => {})
    socket.write('hello')
  }
  const ours = createMtlsServer({ source: sourceOf(server), authorize }, greet)
  const plainOptions = { ...filesOf(server), requestCert: true, rejectUnauthorized: true }
  const plain = createPlain(plainOptions, greet)
  const [port, plainPort] = [await portOf(ours), await portOf(plain)]
  const known = sourceOf(client)
  const secureContext = createSecureContext(filesOf(client))
  const dial = async (source: IdentitySource): Promise<void> =>
    greeted((await connectMtls({ source, authorize, host, port })).socket)
  const dialPlain = (): Promise<void> =>
    greeted(
      connectPlain({
        host,
        port: plainPort,
        secureContext,
        // A SPIFFE ID is no name in DNS.
        checkServerIdentity: () => undefined,
      }),
    )
  const bare = (): Promise<Load> => load(handshakesAtATime, dialPlain)
  const seenBefore = await compare(
    { ours: () => load(handshakesAtATime, () => dial(known)), bare },
    0.95,
    'no cost at all',
  )
  const others = await Promise.all(
    Array.from({ length: strangers }, (_, at) => svidOf(`stranger/${at}`)),
  )
  for (const svid of others) secureContextOf(svid, { minVersion: 'TLSv1.2', alpn: [] })
  let next = 0
  const dialAsStranger = (): Promise<void> => dial(sourceOf(others[next++ % strangers] as X509Svid))
  const neverSeen = await compare(
    { ours: () => load(handshakesAtATime, dialAsStranger), bare },
    0.8,
    'no cost at all',
  )
  ours.close()
  plain.close()
  return { handshakesSeenBefore: seenBefore, handshakesNeverSeen: neverSeen }
}

async function requests() {
  const answer = (_: unknown, response: { end(text: string): unknown }): void =>
    void response.end('hello')
  const ours = createHttps({ source: sourceOf(server), authorize }, answer)
  const plain = createPlainHttps(
    { ...filesOf(server), requestCert: true, rejectUnauthorized: true },
    answer,
  )
  // No connection ends while the other side is measured: a request on one that ends is lost.
  for (const one of [ours, plain]) one.keepAliveTimeout = 60_000
  const agent = new Agent({ source: sourceOf(client), authorize })
  const plainAgent = new PlainAgent({
    keepAlive: true,
    ...filesOf(client),
    checkServerIdentity: () => undefined,
  })
  const ask = (port: number, through: PlainAgent) => (): Promise<void> =>
    new Promise((resolve, reject) => {
      const asking = request({ host, port, agent: through }, (response) => {
        response.resume()
        response.once('end', resolve)
      })
      asking.once('error', reject)
      asking.end()
    })
  const [port, plainPort] = [await portOf(ours), await portOf(plain)]
  const figure = await compare(
    {
      ours: () => load(requestsAtATime, ask(port, agent)),
      bare: () => load(requestsAtATime, ask(plainPort, plainAgent)),
    },
    0.95,
    'no cost at all',
  )
  agent.destroy()
  plainAgent.destroy()
  ours.close()
  plain.close()
  return figure
}

/** From the message of the Workload API to where a handshake that begins shows what it brought. */
async function update() {
  await api.grant(server.spiffeId)
  await using source = await X509Source.open({ endpoint: api.endpoint })
  const ours = createMtlsServer({ source, authorize }, (socket) => void socket.end('hello'))
  const port = await portOf(ours)
  const reader = sourceOf(client)
  const took: number[] = []
  for (let at = 0; at < updates; at++) {
    const arrived = Promise.withResolvers<number>()
    // The server was told before: it listens to the source for longer.
    const stop = source.onUpdate(() => arrived.resolve(performance.now()))
    const svid = await svidOf(`server/${at}`)
    const startMs = performance.now()
    sendSvid(svid)
    took.push((await arrived.promise) - startMs)
    stop()
    const { socket, peer } = await connectMtls({ source: reader, authorize, host, port })
    if (peer.spiffeId !== svid.spiffeId) throw new Error('the old SVID')
    socket.destroy()
  }
  ours.close()
  return bounded(median(took), 5, 'ms', { worst: Math.max(...took) })
}

function sendSvid(svid: X509Svid): void {
  api.send('FetchX509SVID', {
    svids: [
      {
        spiffe_id: svid.spiffeId,
        x509_svid: Buffer.concat([...svid.chain]),
        x509_svid_key: svid.privateKey,
        bundle: Buffer.concat(bundle.x509Authorities.map(({ certificate }) => certificate)),
      },
    ],
  })
}

report('mtls', { ...(await handshakes()), requests: await requests(), update: await update() })
await api.close()
process.exit()
