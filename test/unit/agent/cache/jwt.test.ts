import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { JwtCache } from '../../../../agent/cache/jwt.ts'
import { jwtKey } from '../../../../agent/cache/jwt-record.ts'
import type { GoodFrom } from '../../../../agent/cache/snapshot.ts'
import type { Bundle, JwtAuthority } from '../../../../src/bundle/bundle.ts'
import type { Entry } from '../../../../src/entry/entry.ts'
import { CountersignError } from '../../../../src/errors.ts'
import { signCompact } from '../../../../src/jwt/sign.ts'
import { silentLog } from '../../../../src/runtime/log.ts'
import { jwtSvidClaims } from '../../../../src/svid/jwt-svid.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'
import { generateKeyPair, type Signer, softwareSigner, spkiOf } from '../../../../src/x509/key.ts'
import { bundleWith, entryOf, trustDomain } from './fixture.ts'

const web = entryOf('/web', ['unix:uid:1000'], { id: 'web' })
const ttlMs = 300_000
const never = new AbortController()

let signer: Signer
let authority: JwtAuthority
let bundle: Bundle
let clock: FakeClock
let asked: string[][]
let failing: CountersignError | undefined
let goodFrom: GoodFrom | undefined
let answer: (entry: Entry, audience: readonly string[]) => Promise<string>
let cache: JwtCache

beforeAll(async () => {
  const { privateKey, publicKey } = await generateKeyPair('ec-p256')
  signer = softwareSigner(privateKey)
  authority = { keyId: 'k1', publicKey: spkiOf(publicKey), expiresAt: undefined, tainted: false }
})

async function token(entry: Entry, audience: readonly string[]): Promise<string> {
  const issuedAt = clock.now()
  const expiresAt = new Date(issuedAt.getTime() + ttlMs)
  const claims = jwtSvidClaims({ spiffeId: entry.spiffeId, audience, issuedAt, expiresAt })
  return signCompact(signer, 'k1', claims)
}

beforeEach(() => {
  clock = new FakeClock()
  asked = []
  failing = undefined
  goodFrom = undefined
  bundle = bundleWith([], { jwtAuthorities: [authority] })
  answer = token
  cache = new JwtCache({
    issue: async (entryId, audience) => {
      asked.push([entryId, ...audience])
      if (failing !== undefined) throw failing
      return answer(web, audience)
    },
    bundles: { bundleOf: (name) => (name === trustDomain ? bundle : undefined) },
    goodFrom: () => goodFrom,
    clock,
    log: silentLog,
    random: () => 0.5,
    capacity: 3,
  })
})

const away = () => new CountersignError('unavailable', 'away', { reason: 'away' })
const reasonOf = (attempt: Promise<unknown>): Promise<string> =>
  attempt.then(
    () => 'none',
    (error: CountersignError) => error.reason,
  )

describe('a token', () => {
  test('is asked for once for each set of audiences, in whatever order they are named', async () => {
    const first = await cache.fetch(web, ['a', 'b'], never)
    expect(await cache.fetch(web, ['b', 'a', 'a'], never)).toBe(first)
    await cache.fetch(web, ['ab'], never)
    expect(asked).toEqual([
      ['web', 'a', 'b'],
      ['web', 'ab'],
    ])
  })

  test('audiences that look alike when joined are different', () => {
    expect(jwtKey(web, ['a', 'b'])).not.toBe(jwtKey(web, ['a,1:b']))
    expect(jwtKey(web, ['a'])).not.toBe(jwtKey({ ...web, revision: 1 }, ['a']))
  })

  test('is asked for once however many wait for it; one that leaves takes it from nobody', async () => {
    const leaving = new AbortController()
    const left = cache.fetch(web, ['a'], leaving)
    const others = Array.from({ length: 10 }, () => cache.fetch(web, ['a'], never))
    leaving.abort(new Error('left'))
    await expect(left).rejects.toThrow('left')
    expect(new Set(await Promise.all(others)).size).toBe(1)
    expect(asked).toHaveLength(1)
  })

  test('that is to differ each time is never kept', async () => {
    const each = { ...web, jwtSvidIncludeJti: true }
    await cache.fetch(each, ['a'], never)
    await cache.fetch(each, ['a'], never)
    expect(asked).toHaveLength(2)
    expect(cache.size).toBe(0)
  })

  test('of a changed entry is asked for anew', async () => {
    await cache.fetch(web, ['a'], never)
    await cache.fetch({ ...web, revision: 1 }, ['a'], never)
    expect(asked).toHaveLength(2)
  })

  test('that was used least lately makes room', async () => {
    for (const audience of ['a', 'b', 'c', 'a', 'd']) await cache.fetch(web, [audience], never)
    expect(cache.size).toBe(3)
    asked = []
    for (const audience of ['c', 'a', 'd', 'b']) await cache.fetch(web, [audience], never)
    expect(asked).toEqual([['web', 'b']])
  })

  test('is served until it expires while no server answers, and not a moment longer', async () => {
    const first = await cache.fetch(web, ['a'], never)
    failing = away()
    await clock.advance(ttlMs - 1)
    expect(await cache.fetch(web, ['a'], never)).toBe(first)
    await clock.advance(1)
    expect(await reasonOf(cache.fetch(web, ['a'], never))).toBe('away')
  })

  test('that was not asked for is refused: another subject, another audience, another key', async () => {
    answer = (_, audience) => token(entryOf('/other', ['unix:uid:1']), audience)
    expect(await reasonOf(cache.fetch(web, ['a'], never))).toBe('token-foreign-id')
    answer = () => token(web, ['a', 'more'])
    expect(await reasonOf(cache.fetch(web, ['a'], never))).toBe('token-foreign-audience')
    answer = token
    bundle = bundleWith([], { jwtAuthorities: [{ ...authority, keyId: 'k2' }] })
    // Nothing that the workload could do better.
    await expect(cache.fetch(web, ['a'], never)).rejects.toMatchObject({
      code: 'unavailable',
      reason: 'token-key',
    })
    expect(cache.size).toBe(0)
  })

  test('is dropped when its key is tainted or gone, or its entry is', async () => {
    await cache.fetch(web, ['a'], never)
    cache.retain(() => web)
    expect(cache.size).toBe(1)
    bundle = bundleWith([], { jwtAuthorities: [{ ...authority, tainted: true }] })
    cache.retain(() => web)
    expect(cache.size).toBe(0)
    bundle = bundleWith([], { jwtAuthorities: [authority] })
    await cache.fetch(web, ['a'], never)
    cache.retain(() => undefined)
    expect(cache.size).toBe(0)
  })

  test('T26 of before a revocation is forgotten, and of its very second not kept', async () => {
    await cache.fetch(web, ['a'], never)
    goodFrom = { x509: 0, jwt: Math.floor(clock.now().getTime() / 1000), renewAtMs: 0 }
    cache.retain(() => web)
    expect(cache.size).toBe(1)
    goodFrom = { ...goodFrom, jwt: goodFrom.jwt + 1 }
    cache.retain(() => web)
    expect(cache.size).toBe(0)
    await cache.fetch(web, ['a'], never)
    expect([asked.length, cache.size]).toEqual([2, 0])
    await clock.advance(1000)
    await cache.fetch(web, ['a'], never)
    await cache.fetch(web, ['a'], never)
    expect([asked.length, cache.size]).toEqual([3, 1])
  })

  test('is waited for no longer than the bound', async () => {
    answer = () => new Promise(() => {})
    const late = reasonOf(
      new JwtCache({
        issue: (_id, _audience, signal) =>
          new Promise((_, reject) => {
            signal.addEventListener('abort', () => reject(signal.reason))
          }),
        bundles: { bundleOf: () => bundle },
        goodFrom: () => undefined,
        clock,
        log: silentLog,
      }).fetch(web, ['a'], never),
    )
    await clock.advance(10_000)
    expect(await late).toBe('jwt-late')
  })
})

describe('in the background', () => {
  test('a token that is used is renewed before it is asked for again, once in a half-life', async () => {
    const over = new AbortController()
    const running = cache.run(over.signal).catch(() => undefined)
    await cache.fetch(web, ['a'], never)
    await clock.advance(ttlMs / 2 - 1)
    expect(asked).toHaveLength(1)
    const [first] = cache.records()
    await clock.advance(2)
    await expect.poll(() => cache.records()[0]).not.toBe(first)
    expect(asked).toHaveLength(2)
    asked = []
    const renewed = await cache.fetch(web, ['a'], never)
    expect(renewed.expiresAt.getTime()).toBeGreaterThan(clock.now().getTime() + ttlMs - 2000)
    expect(asked).toEqual([])
    over.abort()
    await running
    expect(clock.sleeping).toBe(0)
  })

  test('a token that nobody uses is let go', async () => {
    const over = new AbortController()
    const running = cache.run(over.signal).catch(() => undefined)
    await cache.fetch(web, ['a'], never)
    // The first was used and is renewed; that one is not used and ends.
    const [first] = cache.records()
    await clock.advance(ttlMs / 2 + 1)
    await expect.poll(() => cache.records()[0]).not.toBe(first)
    await clock.advance(2 * ttlMs)
    expect(asked).toHaveLength(2)
    expect(cache.size).toBe(0)
    over.abort()
    await running
  })

  test('a server that is away is not asked in a busy loop', async () => {
    const over = new AbortController()
    const running = cache.run(over.signal).catch(() => undefined)
    await cache.fetch(web, ['a'], never)
    failing = away()
    await clock.advance(ttlMs / 2 + 20_000)
    expect(asked.length).toBeGreaterThan(2)
    expect(asked.length).toBeLessThan(14)
    over.abort()
    await running
  })
})
