import { statSync } from 'node:fs'
import { Client, credentials } from '@grpc/grpc-js'
import { expect, test } from 'vitest'
import { loadAgentConfig } from '../../../agent/config.ts'
import { CountersignError } from '../../../src/errors.ts'
import {
  answer,
  dial,
  header,
  nextMessage,
  ownUid,
  startEndpoint,
  withHeader,
} from '../../unit/agent/workload-endpoint/fixture.ts'
import { entryOf } from '../../unit/agent/workload-endpoint/identities.ts'

const mine = `unix:uid:${ownUid}`
type Api = ReturnType<typeof dial>

const wrong = [[], ['True'], ['TRUE'], ['1'], [''], ['true', 'true'], ['true', 'false']]
const calls = {
  FetchX509SVID: (api, metadata) => nextMessage(api.FetchX509SVID({}, metadata)),
  FetchX509Bundles: (api, metadata) => nextMessage(api.FetchX509Bundles({}, metadata)),
  FetchJWTBundles: (api, metadata) => nextMessage(api.FetchJWTBundles({}, metadata)),
  FetchWITSVID: (api, metadata) => nextMessage(api.FetchWITSVID({}, metadata)),
  FetchWITBundles: (api, metadata) => nextMessage(api.FetchWITBundles({}, metadata)),
  FetchJWTSVID: (api, metadata) =>
    answer((done) => api.FetchJWTSVID({ audience: ['a'] }, metadata, done)),
  ValidateJWTSVID: (api, metadata) =>
    answer((done) => api.ValidateJWTSVID({ audience: 'a', svid: 'x' }, metadata, done)),
} satisfies Record<string, (api: Api, metadata: typeof header) => Promise<unknown>>

for (const [name, call] of Object.entries(calls)) {
  test(`WLE-06 ${name} without exactly one "true" in the header is refused`, async () => {
    const { path, updates } = await startEndpoint({
      attestors: [
        {
          type: 'never',
          attest() {
            throw new Error('must not be reached')
          },
        },
      ],
    })
    updates.set([entryOf('/web', [mine])])
    const api = dial(path)
    for (const values of wrong) {
      await expect(call(api, withHeader(...values))).rejects.toMatchObject({
        code: 'invalid',
        reason: 'security-header',
        message: 'security header missing from request',
      })
    }
  })
}

test('WLE-01 WLE-03 WLE-04 it is a Unix socket in a folder of its own, and no setting makes it anything else', () => {
  const flags = {
    trust_domain: 'example.org',
    server_address: 'server:8081',
    insecure_bootstrap: 'true',
  }
  const socketOf = (more: Record<string, string>): string =>
    loadAgentConfig({ file: undefined, env: {}, flags: { ...flags, ...more } }).socket
  expect(socketOf({ data_dir: '/var/lib/a' })).toBe('/var/lib/a/public/api.sock')
  for (const socket of ['tcp://127.0.0.1:8080', 'tcp:127.0.0.1:80', 'unix:///run/a.sock']) {
    expect(() => socketOf({ socket }), socket).toThrow(
      expect.objectContaining({ reason: 'config-value' }),
    )
  }
})

test('WLE-02 WLE-07 WLE-12 gRPC in the clear over the socket is enough, without a credential', async () => {
  const { path, updates } = await startEndpoint()
  updates.set([entryOf('/web', [mine])])
  expect(statSync(path).isSocket()).toBe(true)
  const message = await nextMessage(dial(path).FetchX509SVID({}, header))
  expect(message.svids.map((svid) => svid.spiffe_id)).toEqual(['spiffe://example.org/web'])
})

test('WLE-13 WLE-14 WLA-04 the kernel says who calls, whatever the caller says of itself', async () => {
  const { path, updates } = await startEndpoint()
  const other = ownUid + 1
  updates.set([entryOf('/me', [mine]), entryOf('/other', [`unix:uid:${other}`])])
  const claim = withHeader('true')
  for (const name of ['uid', 'pid', 'x-unix-uid', 'authorization', 'workload.spiffe.io-uid']) {
    claim.set(name, String(other))
  }
  const { svids } = await nextMessage(dial(path).FetchX509SVID({}, claim))
  expect(svids.map((svid) => svid.spiffe_id)).toEqual(['spiffe://example.org/me'])
})

test('WLE-16 while nothing can be served, calls are unavailable and say why', async () => {
  const { path } = await startEndpoint({
    unavailable: () =>
      new CountersignError('unavailable', 'not attested yet', { reason: 'agent-not-attested' }),
  })
  const api = dial(path)
  await expect(nextMessage(api.FetchX509SVID({}, header))).rejects.toMatchObject({
    code: 'unavailable',
    reason: 'agent-not-attested',
  })
  await expect(calls.FetchJWTSVID(api, header)).rejects.toMatchObject({ code: 'unavailable' })
})

test('WLE-17 a caller without an identity is refused, and served once it has one', async () => {
  const { path, updates } = await startEndpoint()
  const api = dial(path)
  await expect(nextMessage(api.FetchX509SVID({}, header))).rejects.toMatchObject({
    code: 'forbidden',
    reason: 'no-identity',
    message: 'no identity issued',
  })
  updates.set([entryOf('/web', [mine])])
  expect((await nextMessage(api.FetchX509SVID({}, header))).svids).toHaveLength(1)
})

test('WLE-18 a call that there is not is unimplemented', async () => {
  const { path } = await startEndpoint()
  const client = new Client(`unix:${path}`, credentials.createInsecure())
  for (const call of ['/SpiffeWorkloadAPI/FetchNothing', '/spiffe.broker.API/FetchJWTSVID']) {
    const asked = answer((done) =>
      client.makeUnaryRequest(call, Buffer.from, Buffer.from, Buffer.alloc(0), header, done),
    )
    await expect(asked, call).rejects.toMatchObject({ code: 'unimplemented' })
  }
  client.close()
})

test('WLE-18 WLA-60 the calls of the WIT profile are unimplemented', async () => {
  const { path } = await startEndpoint()
  const api = dial(path)
  for (const stream of [api.FetchWITSVID({}, header), api.FetchWITBundles({}, header)]) {
    await expect(nextMessage(stream)).rejects.toMatchObject({ code: 'unimplemented' })
  }
})
