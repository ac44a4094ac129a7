import {
  Client,
  credentials,
  Metadata,
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type sendUnaryData,
  status,
} from '@grpc/grpc-js'
import { expect, onTestFinished, test } from 'vitest'
import { jwtPeerOf, requireJwtSvid } from '../../../src/middleware/grpc.ts'
import { matchId } from '../../../src/spiffe-id/matchers.ts'
import { SpiffeId } from '../../../src/spiffe-id/spiffe-id.ts'
import { FakeClock } from '../../../src/testing/fake-clock.ts'
import { TestTrustDomain } from '../../../src/testing/trust-domain.ts'
import { reasonOf } from '../../support/x509-fixtures.ts'

const audience = 'https://api.example.org'
const caller = SpiffeId.parse('spiffe://example.org/caller')
const clock = new FakeClock()
const path = '/test.Who/AmI'
const bytes = (value: Buffer): Buffer => value

type Call = ServerUnaryCall<Buffer, Buffer>

async function serve(
  interceptors: ConstructorParameters<typeof Server>[0],
  handle: (call: Call) => string,
): Promise<(authorization?: string) => Promise<string | number>> {
  const server = new Server(interceptors)
  server.addService(
    {
      amI: {
        ...{ path, requestStream: false, responseStream: false },
        ...{ requestSerialize: bytes, requestDeserialize: bytes },
        ...{ responseSerialize: bytes, responseDeserialize: bytes },
      },
    },
    {
      amI: (call: Call, answer: sendUnaryData<Buffer>) => answer(null, Buffer.from(handle(call))),
    },
  )
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    ),
  )
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure())
  onTestFinished(() => {
    client.close()
    server.forceShutdown()
  })
  return (authorization) => {
    const metadata = new Metadata()
    if (authorization !== undefined) metadata.set('authorization', authorization)
    return new Promise((resolve) =>
      client.makeUnaryRequest(path, bytes, bytes, Buffer.of(), metadata, (error, answer) =>
        resolve(error === null ? String(answer) : error.code),
      ),
    )
  }
}

test('T33 a call reaches its handler with the verified ID of its caller, or not at all', async () => {
  const home = await TestTrustDomain.create('example.org', clock)
  const forger = await TestTrustDomain.create('example.org', clock)
  const served: string[] = []
  const interceptor = requireJwtSvid({
    audience,
    bundles: { bundleOf: (name) => (name === home.name ? home.bundle : undefined) },
    authorize: matchId(caller),
    clock,
  })
  const ask = await serve({ interceptors: [interceptor] }, (call) => {
    const { spiffeId } = jwtPeerOf(call)
    served.push(spiffeId)
    return spiffeId
  })
  expect(await ask(`Bearer ${await home.issueJwt(caller, audience)}`)).toBe(caller)
  expect(served).toEqual([caller])

  const stranger = SpiffeId.parse('spiffe://example.org/stranger')
  expect(await ask()).toBe(status.UNAUTHENTICATED)
  expect(await ask(`Bearer ${await forger.issueJwt(caller, audience)}`)).toBe(
    status.UNAUTHENTICATED,
  )
  expect(await ask(`Bearer ${await home.issueJwt(caller, 'else')}`)).toBe(status.UNAUTHENTICATED)
  expect(await ask(`Bearer ${await home.issueJwt(stranger, audience)}`)).toBe(
    status.PERMISSION_DENIED,
  )
  expect(served).toEqual([caller])
})

test('a handler that nothing stands in front of learns of nobody', async () => {
  const ask = await serve({}, (call) => reasonOf(() => jwtPeerOf(call)))
  expect(await ask('Bearer x.y.z')).toBe('peer-unchecked')
})
