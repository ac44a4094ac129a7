import { describe, expect, onTestFinished, test } from 'vitest'
import { SpiffeId, TrustDomain } from '../../../src/spiffe-id/spiffe-id.ts'
import { verifyJwtSvid } from '../../../src/svid/jwt-svid.ts'
import { eventually } from '../../../src/testing/eventually.ts'
import { FakeClock } from '../../../src/testing/fake-clock.ts'
import { nextUpdate } from '../../../src/testing/next-update.ts'
import { JwtSource } from '../../../src/workload-api/jwt-source.ts'
import { callsOf, db, passing, startApi, status, web } from '../../support/fake-api.ts'
import { reasonOfAsync } from '../../support/x509-fixtures.ts'

const here = TrustDomain.parse('example.org')
const fetches = 'FetchJWTSVID'

async function opened() {
  const clock = new FakeClock()
  const api = await startApi({ clock })
  await api.grant(web)
  await api.grant(db)
  const signal = AbortSignal.timeout(30_000)
  const source = await JwtSource.open({ endpoint: api.endpoint, clock, signal })
  onTestFinished(() => source.close())
  return { api, clock, source }
}

describe('a token', () => {
  test('is fetched once for an audience and an identity, in whatever order audiences are named', async () => {
    const { api, source } = await opened()
    const first = await source.fetchJwtSvid('a')
    expect(first).toMatchObject({ spiffeId: web, audience: ['a'] })
    expect(await source.fetchJwtSvid(['a'])).toBe(first)
    expect(await source.fetchJwtSvid(['a', 'a'])).toBe(first)
    expect(callsOf(api, fetches)).toBe(1)
    const both = await source.fetchJwtSvid(['b', 'a'])
    expect(await source.fetchJwtSvid(['a', 'b'])).toBe(both)
    const spiffeId = SpiffeId.parse(db)
    expect((await source.fetchJwtSvid('a', { spiffeId })).spiffeId).toBe(db)
    expect(callsOf(api, fetches)).toBe(3)
  })

  test('that many ask for at once is fetched once', async () => {
    const { api, source } = await opened()
    const all = await Promise.all(Array.from({ length: 20 }, () => source.fetchJwtSvid('a')))
    expect(new Set(all.map(({ token }) => token)).size).toBe(1)
    expect(callsOf(api, fetches)).toBe(1)
  })

  test('is renewed from the half of its life on', async () => {
    const { api, clock, source } = await opened()
    const first = await source.fetchJwtSvid('a')
    await clock.advance(149_000)
    expect(await source.fetchJwtSvid('a')).toBe(first)
    await clock.advance(2000)
    const second = await source.fetchJwtSvid('a')
    expect(second.expiresAt.getTime()).toBe(first.expiresAt.getTime() + 151_000)
    expect(callsOf(api, fetches)).toBe(2)
  })

  test('T26 that a server has refused is given to nobody any more', async () => {
    const { api, source } = await opened()
    const [first, other] = [await source.fetchJwtSvid('a'), await source.fetchJwtSvid('b')]
    source.discard(first.token)
    expect(await source.fetchJwtSvid('a')).not.toBe(first)
    expect(await source.fetchJwtSvid('b')).toBe(other)
    expect(callsOf(api, fetches)).toBe(3)
  })

  test('serves while the agent is away until it expires, and not longer', async () => {
    const { api, clock, source } = await opened()
    const first = await source.fetchJwtSvid('a')
    await api.stop()
    await clock.advance(200_000)
    expect(await source.fetchJwtSvid('a')).toBe(first)
    await clock.advance(99_000)
    expect(await source.fetchJwtSvid('a')).toBe(first)
    await clock.advance(1000)
    await expect(source.fetchJwtSvid('a')).rejects.toMatchObject({ code: 'unavailable' })
    await api.listen()
    await eventually(() => callsOf(api, 'FetchJWTBundles') > 0)
  })

  test('that could not be renewed is left alone for a while', async () => {
    const { api, clock, source } = await opened()
    await source.fetchJwtSvid('a')
    await clock.advance(200_000)
    api.script(fetches, { code: status.unavailable })
    for (let time = 0; time < 10; time += 1) await source.fetchJwtSvid('a')
    expect(callsOf(api, fetches)).toBe(2)
    await clock.advance(6000)
    await source.fetchJwtSvid('a')
    expect(callsOf(api, fetches)).toBe(3)
  })

  test('WLA-44 WLA-28 that is denied is not served from what was kept', async () => {
    const { api, clock, source } = await opened()
    await source.fetchJwtSvid('a')
    await clock.advance(200_000)
    api.script(fetches, { code: status.denied })
    await expect(source.fetchJwtSvid('a')).rejects.toMatchObject({ code: 'forbidden' })
    api.script(fetches, { code: status.unavailable })
    await expect(source.fetchJwtSvid('a')).rejects.toMatchObject({ code: 'unavailable' })
  })

  test('of a clock that jumped is not served past its expiry', async () => {
    const { api, clock, source } = await opened()
    const first = await source.fetchJwtSvid('a')
    clock.jump(301_000)
    expect((await source.fetchJwtSvid('a')).token).not.toBe(first.token)
    expect(callsOf(api, fetches)).toBe(2)
  })

  test('whose wait is given up comes to those who still wait', async () => {
    const { api, source } = await opened()
    const reason = new Error('no')
    const controller = new AbortController()
    const impatient = source.fetchJwtSvid('a', { signal: controller.signal })
    const patient = source.fetchJwtSvid('a')
    controller.abort(reason)
    await expect(impatient).rejects.toBe(reason)
    expect((await patient).spiffeId).toBe(web)
    expect(callsOf(api, fetches)).toBe(1)
  })
})

describe('the source', () => {
  test('WLA-48 WLA-28 has nothing left when all is withdrawn, its tokens too, until there is something again', async () => {
    const { api, clock, source } = await opened()
    const first = await source.fetchJwtSvid('a')
    const updated = nextUpdate(source)
    api.withdraw()
    await updated
    expect(source.bundleOf(here)).toBeUndefined()
    expect(source.state).toBe('expired')
    expect(await reasonOfAsync(() => source.fetchJwtSvid('a'))).toBe('source-withdrawn')
    await api.grant(web)
    await passing(clock, () => source.state === 'fresh')
    expect((await source.fetchJwtSvid('a')).token).not.toBe(first.token)
  })

  test('WLA-28 gives out no token that was on its way when all was withdrawn', async () => {
    const { api, source } = await opened()
    const token = await api.trustDomain.issueJwt(SpiffeId.parse(web), 'a')
    api.answer('FetchJWTSVID', {
      get svids() {
        api.withdraw()
        return [{ spiffe_id: web, svid: token, hint: '' }]
      },
    })
    expect(await reasonOfAsync(() => source.fetchJwtSvid('a'))).toBe('source-withdrawn')
  })

  test('verifies the tokens of others, and follows the keys as they come and go', async () => {
    const { api, clock, source } = await opened()
    const { token } = await source.fetchJwtSvid('a')
    const verdict = () =>
      reasonOfAsync(() =>
        verifyJwtSvid(token, { audience: 'a', bundles: source, now: clock.now() }),
      )
    expect(await verdict()).toBe('ok')
    let updated = nextUpdate(source)
    await api.rotate({ authorities: true })
    await updated
    expect(await verdict()).toBe('ok')
    updated = nextUpdate(source)
    api.trustDomain.revokeOld()
    api.push()
    await updated
    expect(await verdict()).toBe('token-key')
  })

  test('tells its state', async () => {
    const { api, clock, source } = await opened()
    expect(source.state).toBe('fresh')
    await api.stop()
    await eventually(() => source.state === 'stale')
    await api.listen()
    await passing(clock, () => source.state === 'fresh')
    await source.close()
    expect(source.state).toBe('expired')
    expect(await reasonOfAsync(() => source.fetchJwtSvid('a'))).toBe('source-closed')
  })
})
