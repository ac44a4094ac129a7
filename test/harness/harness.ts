// The library behind the contract of the public behavioural suite for SPIFFE libraries, version 1: started with
// SPIFFE_ENDPOINT_SOCKET, it prints its ports and READY, shows its SVID on one port and takes orders on the
// other. It decides nothing by itself, and lets in everybody who has proved who they are.
//
//   node scripts/bootstrap.mjs node test/harness/harness.ts   # or, with Node 22.18, node test/harness/harness.ts
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo, Server } from 'node:net'
import {
  CountersignError,
  JwtSource,
  SpiffeId,
  verifyJwtSvid,
  WorkloadApiClient,
  X509Source,
} from 'countersign'
import { connect, createServer as createTlsServer } from 'countersign/tls'

const host = '127.0.0.1'
const maxBodyBytes = 1 << 20
const authorize = (): boolean => true

interface Request {
  readonly token: string
  readonly audience: string | readonly string[]
  readonly spiffe_id: string
  readonly address: string
}

const source = await X509Source.open()
const client = new WorkloadApiClient()
let jwt: Promise<JwtSource> | undefined
let updates = 0
source.onUpdate(() => {
  updates += 1
})

const greeter = createTlsServer({ source, authorize }, (socket, { spiffeId }) =>
  socket.end(`${spiffeId}\n`),
)

const operations: Readonly<Record<string, (request: Request) => Promise<object>>> = {
  async 'POST /v1/jwt/validate'({ token, audience }) {
    // Opened when it is needed: a workload may have no JWT bundle at all.
    jwt ??= JwtSource.open()
    const { spiffeId, claims } = await verifyJwtSvid(token, { audience, bundles: await jwt })
    return { spiffe_id: spiffeId, claims }
  },
  async 'POST /v1/jwt/fetch'({ audience, spiffe_id: spiffeId }) {
    const svids = await client.fetchJwtSvids(
      audience,
      spiffeId === '' ? {} : { spiffeId: SpiffeId.parse(spiffeId) },
    )
    return {
      svids: svids.map((svid) => ({
        spiffe_id: svid.spiffeId,
        token: svid.token,
        hint: svid.hint,
      })),
    }
  },
  async 'POST /v1/x509/dial'({ address }) {
    const { hostname, port } = new URL(`tcp://${address}`)
    const { socket, peer } = await connect({
      source,
      authorize,
      host: hostname,
      port: Number(port),
    })
    socket.destroy()
    return { spiffe_id: peer.spiffeId }
  },
  async 'GET /v1/info'() {
    return { sdk: 'countersign', language: 'typescript', updates }
  },
}

const control = createServer((request, response) => void answer(request, response))
const ports = await Promise.all([greeter, control].map(listen))

async function listen(server: Server): Promise<number> {
  await once(server.listen(0, host), 'listening')
  return (server.address() as AddressInfo).port
}

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const operation = operations[`${request.method} ${request.url}`]
  if (operation === undefined)
    return reply(response, 404, 'error', { message: 'no such operation' })
  try {
    reply(response, 200, 'ok', await operation(await bodyOf(request)))
  } catch (error) {
    const refused =
      error instanceof CountersignError && ['unauthenticated', 'forbidden'].includes(error.code)
    reply(response, refused ? 422 : 500, refused ? 'rejected' : 'error', { message: `${error}` })
  }
}

async function bodyOf(request: IncomingMessage): Promise<Request> {
  let text = ''
  for await (const chunk of request) {
    text += chunk
    if (text.length > maxBodyBytes) throw new Error('too much')
  }
  return { spiffe_id: '', ...JSON.parse(text || '{}') }
}

function reply(response: ServerResponse, code: number, status: string, body: object): void {
  response.writeHead(code, { 'content-type': 'application/json' })
  response.end(JSON.stringify({ status, ...body }))
}

process.once('SIGTERM', () => process.exit(0))
process.stdout.write(
  [
    'SPIFFE_HARNESS_VERSION=1',
    `SPIFFE_X509_PORT=${ports[0]}`,
    `SPIFFE_CONTROL_PORT=${ports[1]}`,
    'READY\n',
  ].join('\n'),
)
