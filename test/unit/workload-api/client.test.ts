import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { CountersignError } from '../../../src/errors.ts'
import { SpiffeId, TrustDomain } from '../../../src/spiffe-id/spiffe-id.ts'
import { verifyJwtSvid } from '../../../src/svid/jwt-svid.ts'
import { FakeClock } from '../../../src/testing/fake-clock.ts'
import type { FakeWorkloadApi } from '../../../src/testing/fake-workload-api.ts'
import { TestTrustDomain } from '../../../src/testing/trust-domain.ts'
import { WorkloadApiClient } from '../../../src/workload-api/client.ts'
import { callsOf, db, passing, startApi, status, web } from '../../support/fake-api.ts'
import { reasonOfAsync } from '../../support/x509-fixtures.ts'

const here = TrustDomain.parse('example.org')
const there = TrustDomain.parse('there.test')

async function connected() {
  const clock = new FakeClock()
  const api = await startApi({ clock })
  await api.grant(web)
  return { api, clock, client: clientOf(api, clock) }
}

function clientOf(api: FakeWorkloadApi, clock: FakeClock): WorkloadApiClient {
  const client = new WorkloadApiClient({ endpoint: api.endpoint, clock })
  onTestFinished(() => client.close())
  return client
}

/** A client of somebody who takes connections and says nothing. */
function silentClient(): WorkloadApiClient {
  const folder = mkdtempSync(join(tmpdir(), 'cs-silent-'))
  const path = join(folder, 'api.sock')
  const sockets: Socket[] = []
  const server = createServer((socket) => sockets.push(socket)).listen(path)
  const client = new WorkloadApiClient({ endpoint: `unix://${path}` })
  onTestFinished(async () => {
    await client.close()
    for (const socket of sockets) socket.destroy()
    server.close()
    rmSync(folder, { recursive: true })
  })
  return client
}

describe('a fetch', () => {
  test('WLE-22 answers with what there is now, and asks for no reflection', async () => {
    const { api, client } = await connected()
    const context = await client.fetchX509Context()
    expect(context.svids.map(({ spiffeId }) => spiffeId)).toEqual([web])
    expect([...(await client.fetchX509Bundles()).bundles.keys()]).toEqual([here])
    const { bundles } = await client.fetchJwtBundles()
    expect(bundles.get(here)?.jwtAuthorities.map(({ keyId }) => keyId)).toEqual(['key-1'])
    expect(api.calls.map(({ rpc }) => rpc)).toEqual([
      'FetchX509SVID',
      'FetchX509Bundles',
      'FetchJWTBundles',
    ])
  })

  test('WLE-05 of any kind carries the security header', async () => {
    const { api, client } = await connected()
    const { token } = await client.fetchJwtSvid('them')
    await client.validateJwtSvid(token, 'them')
    await client.fetchX509Context()
    await client.fetchX509Bundles()
    await client.fetchJwtBundles()
    expect(api.calls.map(({ securityHeader }) => securityHeader)).toEqual(Array(5).fill(['true']))
  })

  test('WLA-29 WLA-47 of one kind of bundle has no authorities of the other', async () => {
    const { client } = await connected()
    expect((await client.fetchX509Bundles()).bundleOf(here)?.jwtAuthorities).toEqual([])
    expect((await client.fetchJwtBundles()).bundleOf(here)?.x509Authorities).toEqual([])
    expect((await client.fetchX509Context()).bundleOf(here)?.jwtAuthorities).toEqual([])
  })

  test.each([
    ['WLE-17 PERMISSION_DENIED', status.denied, 'forbidden'],
    ['WLE-16 UNAVAILABLE', status.unavailable, 'unavailable'],
    ['WLE-15 INVALID_ARGUMENT', status.invalid, 'invalid'],
    ['WLE-18 UNIMPLEMENTED', status.unimplemented, 'unimplemented'],
  ])('%s is told, and not asked again', async (_what, code, expected) => {
    const { api, client } = await connected()
    for (const rpc of ['FetchX509SVID', 'FetchX509Bundles', 'FetchJWTBundles'] as const) {
      api.script(rpc, { code })
    }
    api.script('FetchJWTSVID', { code })
    const calls = [
      () => client.fetchX509Context(),
      () => client.fetchX509Bundles(),
      () => client.fetchJwtBundles(),
      () => client.fetchJwtSvid('them'),
    ]
    for (const call of calls) await expect(call()).rejects.toMatchObject({ code: expected })
    expect(api.calls).toHaveLength(4)
  })

  test('of a stream that ends without a word says so', async () => {
    const { api, client } = await connected()
    api.script('FetchX509SVID', { code: status.ok })
    expect(await reasonOfAsync(() => client.fetchX509Context())).toBe('stream-ended')
  })

  test('ends with the signal’s reason, before it begins and while it waits', async () => {
    const { api, client } = await connected()
    const reason = new Error('no')
    const gone = { signal: AbortSignal.abort(reason) }
    await expect(client.fetchX509Context(gone)).rejects.toBe(reason)
    await expect(client.fetchJwtSvid('them', gone)).rejects.toBe(reason)
    expect(api.calls).toEqual([])
    const controller = new AbortController()
    const waiting = silentClient().fetchX509Context({ signal: controller.signal })
    controller.abort(reason)
    await expect(waiting).rejects.toBe(reason)
  })

  test('of somebody who says nothing ends in its time', async () => {
    const client = silentClient()
    const limits = { timeoutMs: 50 }
    await expect(client.fetchX509Context(limits)).rejects.toMatchObject({ code: 'deadline' })
    await expect(client.fetchJwtSvid('them', limits)).rejects.toMatchObject({ code: 'deadline' })
    await expect(client.validateJwtSvid('x', 'them', limits)).rejects.toMatchObject({
      code: 'deadline',
    })
  })

  test('by a client that is closed is cancelled', async () => {
    const { client } = await connected()
    await client.fetchX509Context()
    const watched = client.watchX509Context()
    await watched.next()
    const next = watched.next()
    await client.close()
    expect(await reasonOfAsync(() => next)).toBe('client-closed')
    expect(await reasonOfAsync(() => client.fetchX509Context())).toBe('client-closed')
  })
})

describe('a token', () => {
  test('WLA-40 is for the audiences that were named', async () => {
    const { client } = await connected()
    expect(await client.fetchJwtSvid(['a', 'b'])).toMatchObject({
      spiffeId: web,
      audience: ['a', 'b'],
    })
    expect(await reasonOfAsync(() => client.fetchJwtSvid([]))).toBe('audience-missing')
    expect(await reasonOfAsync(() => client.fetchJwtSvid(''))).toBe('audience-missing')
  })

  test('WLA-41 WLA-70 is of the default identity, of each, or of the one that is asked for', async () => {
    const { api, client } = await connected()
    await api.grant(db, { hint: 'internal' })
    expect((await client.fetchJwtSvid('a')).spiffeId).toBe(web)
    const all = await client.fetchJwtSvids('a')
    expect(all.map(({ spiffeId, hint }) => [spiffeId, hint])).toEqual([
      [web, ''],
      [db, 'internal'],
    ])
    const spiffeId = SpiffeId.parse(db)
    expect((await client.fetchJwtSvid('a', { spiffeId })).spiffeId).toBe(db)
    const other = SpiffeId.parse('spiffe://example.org/other')
    await expect(client.fetchJwtSvid('a', { spiffeId: other })).rejects.toMatchObject({
      code: 'forbidden',
    })
  })

  test('WLA-43 WLA-26 of two with one hint is the first', async () => {
    const { api, client } = await connected()
    await api.grant(web, { hint: 'a' })
    await api.grant(db, { hint: 'a' })
    expect((await client.fetchJwtSvids('x')).map(({ spiffeId }) => spiffeId)).toEqual([web])
  })

  test.each<[string, string, (api: FakeWorkloadApi) => Promise<object>]>([
    ['WLA-13 WLA-42 no token', 'message-field', async () => ({ svids: [] })],
    ['WLA-13 an empty token', 'message-field', async () => ({ svids: [{ spiffe_id: web }] })],
    [
      'WLA-13 a token without its ID',
      'message-field',
      async (api) => ({ svids: [{ svid: await tokenOf(api) }] }),
    ],
    [
      'a token for somebody else',
      'message-jwt-svid',
      async (api) => ({ svids: [{ spiffe_id: db, svid: await tokenOf(api) }] }),
    ],
    [
      'a token for another audience',
      'message-jwt-svid',
      async (api) => ({
        svids: [{ spiffe_id: web, svid: await tokenOf(api, { aud: ['me', 'x'] }) }],
      }),
    ],
    [
      'a token that has expired',
      'message-jwt-svid',
      async (api) => ({ svids: [{ spiffe_id: web, svid: await tokenOf(api, { exp: 1000 }) }] }),
    ],
    [
      'JWT-16 a token without an expiry',
      'token-expiry',
      async (api) => ({
        svids: [{ spiffe_id: web, svid: await tokenOf(api, { exp: undefined }) }],
      }),
    ],
    [
      'what is no token',
      'token-malformed',
      async () => ({ svids: [{ spiffe_id: web, svid: 'x' }] }),
    ],
  ])('where the answer is %s is none', async (_what, reason, answer) => {
    const { api, client } = await connected()
    api.answer('FetchJWTSVID', await answer(api))
    expect(await reasonOfAsync(() => client.fetchJwtSvid('them'))).toBe(reason)
  })
})

function tokenOf(api: FakeWorkloadApi, claims: Record<string, unknown> = {}): Promise<string> {
  return api.trustDomain.issueJwt(SpiffeId.parse(web), 'them', { claims })
}

describe('validation', () => {
  test('WLA-52 by the Workload API, or here with its bundles, comes to the same', async () => {
    const { api, client, clock } = await connected()
    const token = await tokenOf(api, { role: 'admin', nested: { list: [1, 'a', null, true] } })
    const remote = await client.validateJwtSvid(token, 'them')
    const bundles = await client.fetchJwtBundles()
    const local = await verifyJwtSvid(token, { audience: 'them', bundles, now: clock.now() })
    expect(remote).toEqual(local)
    expect(remote.claims).toMatchObject({ role: 'admin', nested: { list: [1, 'a', null, true] } })
  })

  test('WLA-53 WLA-14 of a token of a trust domain without a bundle is refused on both ways', async () => {
    const { api, client, clock } = await connected()
    const friend = await TestTrustDomain.create(there, clock)
    const id = SpiffeId.parse('spiffe://there.test/web')
    const token = await friend.issueJwt(id, 'them')
    const refused = async () => [
      await reasonOfAsync(() => client.validateJwtSvid(token, 'them')),
      await reasonOfAsync(async () =>
        verifyJwtSvid(token, {
          audience: 'them',
          bundles: await client.fetchJwtBundles(),
          now: clock.now(),
        }),
      ),
    ]
    expect(await refused()).toEqual(['token-refused', 'token-trust-domain'])
    api.federate(friend)
    expect(await refused()).toEqual(['ok', 'ok'])
    // A's key vouches for nobody of B.
    const forged = await api.trustDomain.issueJwt(id, 'them')
    expect(await reasonOfAsync(() => client.validateJwtSvid(forged, 'them'))).toBe('token-refused')
  })

  test('of a token that is not good is refused, whatever is wrong with it', async () => {
    const { api, client } = await connected()
    const refusal = (token: string, audience = 'them') =>
      reasonOfAsync(() => client.validateJwtSvid(token, audience))
    expect(await refusal('x')).toBe('token-refused')
    expect(await refusal(await tokenOf(api), 'me')).toBe('token-refused')
    expect(await refusal(await tokenOf(api, { exp: 1000 }))).toBe('token-refused')
    expect(await refusal(await tokenOf(api), '')).toBe('audience-missing')
  })

  test.each([
    ['an ID', { claims: { fields: {} } }],
    ['claims', { spiffe_id: web }],
  ])('WLA-51 WLA-13 whose answer lacks %s is an error', async (_what, answer) => {
    const { api, client } = await connected()
    api.answer('ValidateJWTSVID', answer)
    expect(await reasonOfAsync(async () => client.validateJwtSvid('x', 'them'))).toBe(
      'message-field',
    )
  })
})

describe('a watch', () => {
  test('WLA-05 WLA-10 yields each message of one stream, and ends when it is left', async () => {
    const { api, client } = await connected()
    const seen: string[][] = []
    for await (const { svids } of client.watchX509Context()) {
      seen.push(svids.map(({ spiffeId }) => spiffeId))
      if (seen.length === 1) await api.grant(db)
      else if (seen.length === 2) api.withdraw(web)
      else break
    }
    expect(seen).toEqual([[web], [web, db], [db]])
    expect(callsOf(api, 'FetchX509SVID')).toBe(1)
  })

  test('WLA-11 WLA-32 WLA-48 of bundles shows those that are taken away', async () => {
    const { api, client, clock } = await connected()
    const friend = await TestTrustDomain.create(there, clock)
    for (const watch of [client.watchX509Bundles(), client.watchJwtBundles()]) {
      const sizes: number[] = []
      for await (const { bundles } of watch) {
        if (sizes.push(bundles.size) === 1) api.federate(friend)
        else if (sizes.length === 2) api.unfederate(friend)
        else break
      }
      expect(sizes).toEqual([1, 2, 1])
    }
  })

  test('WLA-06 WLA-13 goes on over a stream that ends and a message that is not sound, and reports both', async () => {
    const { api, clock, client } = await connected()
    const errors: CountersignError[] = []
    const watched = client.watchX509Context({ onError: (error) => errors.push(error) })
    await watched.next()
    api.send('FetchX509SVID', { svids: [] })
    api.endStreams({ code: status.unavailable })
    expect((await watched.next()).value?.svids).toHaveLength(1)
    expect(errors.map(({ code }) => code)).toEqual(['invalid', 'unavailable'])
    await api.stop()
    const next = watched.next()
    await passing(clock, () => errors.length > 3)
    await api.listen()
    let found = false
    next.then(() => {
      found = true
    })
    await passing(clock, () => found)
    await watched.return()
  })

  test('WLA-28 throws where all that it gave is withdrawn', async () => {
    const { api, client } = await connected()
    for (const watch of [
      client.watchX509Context(),
      client.watchX509Bundles(),
      client.watchJwtBundles(),
    ]) {
      await api.grant(web)
      await watch.next()
      api.withdraw()
      await expect(watch.next()).rejects.toMatchObject({ code: 'forbidden' })
    }
  })

  test('ends with its signal, and asks nothing before it is read', async () => {
    const { api, client } = await connected()
    const controller = new AbortController()
    const watched = client.watchX509Context({ signal: controller.signal })
    expect(api.calls).toEqual([])
    await watched.next()
    const next = watched.next()
    const reason = new Error('enough')
    controller.abort(reason)
    await expect(next).rejects.toBe(reason)
  })

  test.each<[string, string, object]>([
    ['WLA-13 WLA-30 no bundle at all', 'message-field', { bundles: {} }],
    ['WLA-33 a bundle under a path', 'message-bundle-key', { bundles: { 'spiffe://a/b': '' } }],
    ['WLA-33 a bundle under a bare name', 'spiffe-id-scheme', { bundles: { 'a.test': '' } }],
    [
      'WLA-24 bytes that are no DER',
      'certificate-malformed',
      { bundles: { 'spiffe://a.test': 'PEM' } },
    ],
  ])('leaves out a message with %s', async (_what, reason, message) => {
    const { api, client } = await connected()
    const errors: CountersignError[] = []
    const watched = client.watchX509Bundles({ onError: (error) => errors.push(error) })
    await watched.next()
    api.send('FetchX509Bundles', message)
    api.push()
    expect((await watched.next()).value?.bundles.size).toBe(1)
    expect(errors.map((error) => error.reason)).toEqual([reason])
    await watched.return()
  })
})

test('WLE-08 WLE-09 an endpoint that is missing or of another kind is refused before anything is dialled', () => {
  expect(() => new WorkloadApiClient({ endpoint: 'http://127.0.0.1:1' })).toThrow(/unix or tcp/)
  expect(() => new WorkloadApiClient({ endpoint: 'tcp://localhost:1' })).toThrow(/IP address/)
})
