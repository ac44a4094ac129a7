// The HTTP doors in one process of their own: a token service with discovery, health and metrics, a broker with its vendor,
// and forward-auth on a socket. One JSON line when they are up, and one for each thing that they log as an error, which
// nothing from outside may cause. The end of stdin ends them.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TLSSocket } from 'node:tls'
import { runForwardAuth } from '../../src/forward-auth/main.ts'
import { endpointsOf } from '../../src/oauth-client/endpoints.ts'
import { type Log, silentLog } from '../../src/runtime/log.ts'
import { freePort } from '../support/free-port.ts'
import { orders, resourceOf } from '../support/oauth.ts'
import { startBroker } from '../support/running-broker.ts'
import { mint, wireEntry } from '../support/running-server.ts'
import { startTokenServer } from '../support/token-server.ts'
import { isOfTime, type StandLine } from './stand.ts'

/** Where the doors are, and what is good at them. Bytes are base64. */
export interface DoorsAddress {
  readonly token: number
  readonly discovery: number
  readonly monitoring: number
  readonly broker: number
  readonly brokerHost: string
  readonly forwardAuth: string
  readonly web: { readonly chain: readonly string[]; readonly privateKey: string }
  readonly callerToken: string
  readonly honestToken: string
  readonly ordersToken: string
}

const say = (line: StandLine<DoorsAddress>): void =>
  void process.stdout.write(`${JSON.stringify(line)}\n`)
const log: Log = {
  ...silentLog,
  error(message, fields) {
    if (!isOfTime(message)) say({ failed: `${message}: ${String(fields?.['error'])}` })
  },
  child: () => log,
}
const host = '127.0.0.1'
const web = 'spiffe://example.org/web'

const [monitoring, discovery] = [await freePort(), await freePort()]
const served = resourceOf(orders, { servedBy: new Set([web as never]) })
const server = await startTokenServer({
  ...{ log, oauth: { resources: new Map([[orders, served]]) } },
  overrides: {
    httpAddress: { host, port: monitoring },
    oidc: {
      ...{ address: { host, port: discovery }, issuer: 'https://oidc.example.org' },
      ...{ hosts: ['oidc.example.org'], tls: undefined },
    },
  },
})
const parent = (await server.joinAgent()).id
const { results } = await server
  .admin('spire.api.server.entry.v1.Entry')
  .unary('BatchCreateEntry', {
    entries: [wireEntry({ path: '/web', parent, selectors: ['unix:uid:1'] })],
  })
if (results[0]?.status?.code !== 0) throw new Error('the workload is not registered')
const { chain, privateKey } = await mint(server, '/web', 86_400)

const broker = await startBroker({
  ...{ log, policy: '@id("all") permit (principal, action == Action::"callVendor", resource);' },
  acme: { rate: '10000/s', timeout: '30s' },
})
broker.vendor.answer = async (request, socket) => {
  answerAsTold(request.slice(request.indexOf('\r\n\r\n') + 4), socket)
}
const folder = mkdtempSync(join(tmpdir(), 'cs-doors-'))
const stopping = new AbortController()
const opened = Promise.withResolvers<void>()
const forwardAuth = join(folder, 'forward-auth.sock')
const asking = runForwardAuth(
  {
    ...{ issuer: broker.issuer.url, endpoints: endpointsOf(broker.issuer.url, {}) },
    issuerCa: readFileSync(broker.config.issuerCa ?? '', 'utf8'),
    ...{ workloadApi: undefined, spiffeId: undefined, revocations: false, introspect: false },
    ...{ logLevel: 'error', httpAddress: undefined },
    doors: [{ socket: forwardAuth, uids: new Set([process.getuid?.() ?? 0]), proxy: 'nginx' }],
    services: new Map([
      [
        'orders',
        {
          ...{ resource: orders, requireBound: false },
          routes: [
            {
              ...{ pattern: '/orders', methods: new Set(['GET']), scopes: ['orders:read'] },
              allowUntilExpiry: false,
            },
          ],
        },
      ],
    ]),
  },
  stopping.signal,
  { log, onReady: () => opened.resolve() },
)
asking.catch(opened.reject)
await opened.promise

const exp = Math.floor(Date.now() / 1000) + 86_400
const [who, honest] = [web, 'spiffe://example.org/honest']
say({
  ...{ token: server.port, discovery, monitoring },
  ...{ broker: broker.port, brokerHost: broker.host, forwardAuth },
  web: {
    chain: chain.map((der) => der.toString('base64')),
    privateKey: privateKey.toString('base64'),
  },
  callerToken: await broker.token({ exp }),
  honestToken: await broker.token({ exp, sub: honest, client_id: honest }),
  ordersToken: await broker.token({
    ...{ exp, sub: who, client_id: who, aud: orders, scope: 'orders:read' },
  }),
})
process.stdin.resume().on('close', async () => {
  stopping.abort()
  await asking
  await broker.stop()
  await server.remove()
  rmSync(folder, { recursive: true, force: true })
})

/** The vendor sends what its caller has sent it, byte by byte, and leaves in one of three manners, by the length. */
function answerAsTold(said: string, socket: TLSSocket): void {
  const bytes = Buffer.from(said, 'latin1')
  const manner = bytes.length % 3
  if (bytes.length === 0) {
    socket.end('HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nhi')
    return
  }
  socket.write(bytes, () => {
    if (manner === 0) socket.end()
    else if (manner === 1) socket.destroy()
    // Not before the caller has left, or a little later.
    else setTimeout(() => socket.destroy(), 30)
  })
}
