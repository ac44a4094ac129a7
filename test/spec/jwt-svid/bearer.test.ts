import { Client, Server, type ServerUnaryCall, type sendUnaryData, status } from '@grpc/grpc-js'
import { expect, onTestFinished, test } from 'vitest'
import {
  requireJwtSvid as overGrpc,
  jwtPeerOf as peerOfCall,
} from '../../../src/middleware/grpc.ts'
import { jwtPeerOf } from '../../../src/middleware/jwt-peer.ts'
import { requireJwtSvid } from '../../../src/middleware/node.ts'
import { createServer } from '../../../src/mtls/http-server.ts'
import { openHttpClient } from '../../../src/mtls/undici.ts'
import { createCallCredentials } from '../../../src/rpc/call-credentials.ts'
import { createChannelCredentials } from '../../../src/rpc/workload-channel.ts'
import { serveMtls } from '../../../src/rpc/workload-server.ts'
import { matchId } from '../../../src/spiffe-id/matchers.ts'
import { SpiffeId } from '../../../src/spiffe-id/spiffe-id.ts'
import { FakeClock } from '../../../src/testing/fake-clock.ts'
import { JwtSource } from '../../../src/workload-api/jwt-source.ts'
import { X509Source } from '../../../src/workload-api/x509-source.ts'
import { callsOf, db, startApi, web } from '../../support/fake-api.ts'

const audience = 'https://api.example.org'
const caller = SpiffeId.parse(db)
const path = '/test.Who/AmI'
const bytes = (value: Buffer): Buffer => value

/** A process that is /web by its X509-SVID and /db by the JWT-SVIDs that it sends. */
async function opened() {
  const clock = new FakeClock()
  const api = await startApi({ clock })
  await api.grant(web)
  await api.grant(db)
  const options = { endpoint: api.endpoint, clock }
  const [x509, jwt] = await Promise.all([X509Source.open(options), JwtSource.open(options)])
  onTestFinished(async () => void (await Promise.all([x509.close(), jwt.close()])))
  const mtls = { source: x509, authorize: matchId(SpiffeId.parse(web)), clock }
  const asked = { audience, bundles: jwt, authorize: matchId(caller), clock }
  return { api, jwt, mtls, asked }
}

test('JWT-23 over HTTP a token is sent as `authorization: Bearer`, and read so in any case', async () => {
  const { jwt, mtls, asked } = await opened()
  const check = requireJwtSvid(asked)
  const server = createServer(mtls, (request, response) =>
    check(request, response, () => response.end(jwtPeerOf(request).spiffeId)),
  )
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close().closeAllConnections())
  await using http = await openHttpClient(mtls)
  const { port } = server.address() as { port: number }
  const ask = async (headers: Record<string, string>): Promise<string> =>
    (await http.fetch(`https://127.0.0.1:${port}/`, { headers })).text()
  const headers = await jwt.fetchHeaders(audience, { spiffeId: caller })
  const { token } = await jwt.fetchJwtSvid(audience, { spiffeId: caller })
  expect(headers).toEqual({ authorization: `Bearer ${token}` })
  expect(await ask(headers)).toBe(db)
  expect(await ask({ authorization: `bEARER ${token}` })).toBe(db)
})

test('JWT-24 over gRPC a token is sent as the metadata `authorization: Bearer`, and without one no call is made', async () => {
  const { api, jwt, mtls, asked } = await opened()
  const called: string[] = []
  const server = new Server({ interceptors: [overGrpc(asked)] })
  server.addService(
    {
      amI: {
        ...{ path, requestStream: false, responseStream: false },
        ...{ requestSerialize: bytes, requestDeserialize: bytes },
        ...{ responseSerialize: bytes, responseDeserialize: bytes },
      },
    },
    {
      amI(call: ServerUnaryCall<Buffer, Buffer>, answer: sendUnaryData<Buffer>) {
        called.push(...call.metadata.get('authorization').map(String))
        answer(null, Buffer.from(peerOfCall(call).spiffeId))
      },
    },
  )
  const listener = await serveMtls(server, { ...mtls, host: '127.0.0.1', port: 0 })
  onTestFinished(() => listener.close())
  /** The answer, or the status code. */
  const ask = (to: string, spiffeId?: SpiffeId): Promise<string | number> => {
    const tokens = createCallCredentials({
      source: jwt,
      audience: to,
      ...(spiffeId && { spiffeId }),
    })
    const channel = createChannelCredentials(mtls).compose(tokens)
    const client = new Client(`127.0.0.1:${listener.address.port}`, channel)
    onTestFinished(() => client.close())
    return new Promise((resolve) =>
      client.makeUnaryRequest(path, bytes, bytes, Buffer.of(), (error, answer) =>
        resolve(error === null ? String(answer) : error.code),
      ),
    )
  }
  expect(await ask(audience, caller)).toBe(db)
  const { token } = await jwt.fetchJwtSvid(audience, { spiffeId: caller })
  expect(called).toEqual([`Bearer ${token}`])
  expect(await ask(audience)).toBe(status.PERMISSION_DENIED)
  expect(called).toHaveLength(1)

  const before = callsOf(api, 'FetchJWTSVID')
  api.script('FetchJWTSVID', { code: status.UNAVAILABLE })
  expect(await ask('another')).toBe(status.UNAVAILABLE)
  expect(callsOf(api, 'FetchJWTSVID')).toBe(before + 1)
  expect(called).toHaveLength(1)
})
