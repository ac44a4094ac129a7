import { once } from 'node:events'
import { type Verifier, type WhenUnknown, whileGood } from 'countersign/resource-server'
import { beforeEach, describe, expect, test } from 'vitest'
import { FakeClock } from '../../../src/testing/fake-clock.ts'
import { reasonOf } from '../../support/x509-fixtures.ts'
import { type TestIssuer, testIssuer } from './access-fixtures.ts'
import { type KnownFacts, knownFacts, revocable } from './known-facts.ts'

const audience = 'https://orders.example.org'
let clock: FakeClock
let issuer: TestIssuer
let revocations: KnownFacts
let verifier: Verifier

beforeEach(async () => {
  clock = new FakeClock()
  issuer = await testIssuer(clock)
  revocations = knownFacts()
  verifier = issuer.verifier({ audience, revocations })
})

/** A token that lives for so long, taken by `by`. */
async function letIn(
  claims: Record<string, unknown> = {},
  { by = verifier, whenUnknown = 'deny' as WhenUnknown, seconds = 600 } = {},
) {
  const exp = Math.floor(clock.now().getTime() / 1000) + seconds
  const who = { aud: audience, sub: 'spiffe://here.test/web', client_id: 'web', exp }
  return by.verify(await issuer.token({ ...who, ...claims }), { whenUnknown })
}

/** Why it ended, each time that it was told. */
function watch(access: Awaited<ReturnType<typeof letIn>>): {
  readonly ends: string[]
  stop(): void
} {
  const ends: string[] = []
  return { ends, stop: whileGood(access, ({ reason }) => ends.push(reason)) }
}

describe('T26 what a token has begun', () => {
  test('ends once when the token is revoked, at once, and nothing else does', async () => {
    const [one, other] = [watch(await letIn(revocable)), watch(await letIn({ jti: 'other' }))]
    await clock.advance(1000)
    revocations.revoke('token')
    expect([one.ends, other.ends]).toEqual([['token-revoked'], []])
    revocations.revoke('token')
    await clock.advance(10_000)
    expect([one.ends, other.ends]).toEqual([['token-revoked'], []])
    revocations.revoke('key')
    await clock.advance(100)
    expect([one.ends, other.ends]).toEqual([['token-revoked'], ['token-revoked']])
  })

  test('ends though the token was revoked between its check and the watch', async () => {
    const access = await letIn(revocable)
    revocations.revoke('transaction')
    const { ends } = watch(access)
    await clock.advance(100)
    expect(ends).toEqual(['token-revoked'])
  })

  test('is not ended after it was let go of', async () => {
    const { ends, stop } = watch(await letIn(revocable))
    stop()
    revocations.revoke('token')
    await clock.advance(100)
    expect(ends).toEqual([])
  })

  test('ends where what is known tells of nothing new by itself', async () => {
    const { fresh, judge } = revocations
    const silent = issuer.verifier({ audience, revocations: { fresh, judge } })
    const { ends } = watch(await letIn(revocable, { by: silent }))
    await clock.advance(1000)
    expect(ends).toEqual([])
    revocations.revoke('token')
    await clock.advance(100)
    expect(ends).toEqual(['token-revoked'])
  })

  test('ends once a look, where its end begins it anew', async () => {
    const access = await letIn(revocable)
    let ends = 0
    const again = (): void => {
      ends += 1
      if (ends < 1000) whileGood(access, again)
    }
    whileGood(access, again)
    revocations.revoke('token')
    expect(ends).toBe(1)
    await clock.advance(100)
    expect(ends).toBe(2)
    ends = 1000
    await clock.advance(100)
    expect(clock.sleeping).toBe(0)
  })

  test('ends although what was told of another fails at that', async () => {
    const warned = once(process, 'warning')
    whileGood(await letIn(revocable), () => {
      throw new TypeError('a fault')
    })
    const { ends } = watch(await letIn(revocable))
    revocations.revoke('token')
    expect(ends).toEqual(['token-revoked'])
    expect(await warned).toMatchObject([{ message: 'a fault' }])
  })
})

describe('what a token has begun that ends by itself', () => {
  test('ends when a request with it would be refused', async () => {
    const { ends } = watch(await letIn({}, { seconds: 60 }))
    await clock.advance(64_900)
    expect(ends).toEqual([])
    await clock.advance(200)
    expect(ends).toEqual(['token-expired'])
  })

  test('has 30 s in any case, as the token was good when it began', async () => {
    const { ends } = watch(await letIn({}, { seconds: 1 }))
    await clock.advance(29_900)
    expect(ends).toEqual([])
    await clock.advance(200)
    expect(ends).toEqual(['token-expired'])
  })

  test('ends with no revocations to go by, too', async () => {
    const plain = issuer.verifier({ audience })
    const { ends } = watch(await letIn({}, { by: plain, seconds: 60 }))
    await clock.advance(60_000)
    expect(ends).toEqual([])
    await clock.advance(10_000)
    expect(ends).toEqual(['token-expired'])
  })
})

describe('T26 what a token has begun, while the feed is late', () => {
  test('ends, but where the route lets unknown tokens in, until they are known to be revoked', async () => {
    const strict = watch(await letIn(revocable))
    const lenient = watch(await letIn(revocable, { whenUnknown: 'allow-until-expiry' }))
    revocations.isFresh = false
    await clock.advance(100)
    expect([strict.ends, lenient.ends]).toEqual([['revocation-unknown'], []])
    await clock.advance(5000)
    revocations.revoke('token')
    expect(lenient.ends).toEqual(['token-revoked'])
  })

  test('goes on as long as the issuer, asked once a second about each, calls its token good', async () => {
    const asked: string[] = []
    let active: boolean | undefined = true
    const introspect = async (token: string): Promise<boolean> => {
      asked.push(token)
      if (active === undefined) throw new Error('down')
      return active
    }
    const by = issuer.verifier({ audience, revocations, introspect })
    const { ends } = watch(await letIn({}, { by }))
    await clock.advance(5000)
    expect(asked.length).toBe(0)
    revocations.isFresh = false
    await clock.advance(100)
    expect(asked.length).toBe(1)
    await clock.advance(3000)
    expect([asked.length, ends]).toEqual([4, []])
    active = false
    await clock.advance(1000)
    expect(ends).toEqual(['token-revoked'])
    revocations.isFresh = true
    await clock.advance(100)
    const unknown = watch(await letIn({}, { by }))
    active = undefined
    revocations.isFresh = false
    await clock.advance(100)
    expect(unknown.ends).toEqual(['revocation-unknown'])
  })

  test('is told once that it ends, whoever finds out first', async () => {
    const answers: ((isActive: boolean) => void)[] = []
    const introspect = () => new Promise<boolean>((resolve) => answers.push(resolve))
    const by = issuer.verifier({ audience, revocations, introspect })
    const { ends } = watch(await letIn(revocable, { by }))
    revocations.isFresh = false
    await clock.advance(100)
    expect(answers.length).toBe(1)
    revocations.revoke('token')
    answers[0]?.(false)
    await clock.advance(100)
    expect(ends).toEqual(['token-revoked'])
  })

  test('is not asked about any more once it was let go of', async () => {
    const answers: (() => void)[] = []
    const introspect = () => new Promise<boolean>((resolve) => answers.push(() => resolve(true)))
    const by = issuer.verifier({ audience, revocations, introspect })
    const watched = []
    for (let n = 0; n < 20; n += 1) watched.push(watch(await letIn({ jti: `j${n}` }, { by })))
    revocations.isFresh = false
    await clock.advance(100)
    for (const { stop } of watched) stop()
    for (const answer of answers) answer()
    await clock.advance(100)
    expect(answers.length).toBe(8)
  })

  test('is asked about once, however much its token has begun', async () => {
    let asked = 0
    let active = true
    const introspect = async () => {
      asked += 1
      return active
    }
    const by = issuer.verifier({ audience, introspect })
    const access = await letIn({}, { by })
    const ends: string[] = []
    for (let n = 0; n < 100; n += 1) whileGood(access, ({ reason }) => ends.push(reason))
    asked = 0
    await clock.advance(100)
    expect([asked, ends]).toEqual([1, []])
    active = false
    await clock.advance(1000)
    expect([asked, ends.length, ends[0]]).toEqual([2, 100, 'token-revoked'])
  })

  test('ends where the issuer does not answer in 5 s', async () => {
    const by = issuer.verifier({ audience, revocations, introspect: () => new Promise(() => {}) })
    const { ends } = watch(await letIn({}, { by }))
    revocations.isFresh = false
    await clock.advance(5000)
    expect(ends).toEqual([])
    await clock.advance(100)
    expect(ends).toEqual(['revocation-unknown'])
  })

  test('goes on where it is this process that had no time to read what is new, and no longer', async () => {
    let stoodMs = 0
    const stalling = {
      now: () => clock.now(),
      monotonicMs: () => clock.monotonicMs() + stoodMs,
      sleep: (ms: number, signal?: AbortSignal) => clock.sleep(ms, signal),
    }
    const by = issuer.verifier({ audience, revocations, clock: stalling })
    const { ends } = watch(await letIn({}, { by }))
    await clock.advance(50)
    stoodMs = 1000
    revocations.isFresh = false
    await clock.advance(60)
    expect(ends).toEqual([])
    revocations.isFresh = true
    await clock.advance(1000)
    expect(ends).toEqual([])
    await clock.advance(50)
    stoodMs = 2000
    revocations.isFresh = false
    await clock.advance(60)
    expect(ends).toEqual([])
    stoodMs = 3000
    await clock.advance(100)
    expect(ends).toEqual(['revocation-unknown'])
  })

  test('is asked about no more than eight at a time', async () => {
    const waiting: (() => void)[] = []
    const introspect = () => new Promise<boolean>((resolve) => waiting.push(() => resolve(true)))
    const by = issuer.verifier({ audience, revocations, introspect })
    for (let n = 0; n < 20; n += 1) watch(await letIn({ jti: `j${n}` }, { by }))
    revocations.isFresh = false
    await clock.advance(5000)
    expect(waiting.length).toBe(8)
    for (const answer of waiting.splice(0)) answer()
    await clock.advance(100)
    expect(waiting.length).toBe(8)
  })
})

test('many facts in a short time have what is open looked through ten times a second at most', async () => {
  const opened = 20
  for (let n = 0; n < opened; n += 1) watch(await letIn({ jti: `j${n}` }))
  await clock.advance(1000)
  const before = revocations.asked
  for (let n = 0; n < 100; n += 1) {
    revocations.revoke('token')
    await clock.advance(10)
  }
  const looks = (revocations.asked - before) / opened
  expect(looks).toBeGreaterThan(5)
  expect(looks).toBeLessThanOrEqual(11)
})

test('what is open has a verdict as it begins and with each news, and no more', async () => {
  watch(await letIn({ jti: 'other' }))
  const before = revocations.asked
  await clock.advance(5000)
  expect(revocations.asked - before).toBe(1)
  revocations.revoke('token')
  await clock.advance(5000)
  expect(revocations.asked - before).toBe(2)
})

test('10,000 requests that were answered leave nothing behind, and had no verdict but their first', async () => {
  const access = await letIn(revocable)
  const before = revocations.asked
  const ends: string[] = []
  for (let n = 0; n < 10_000; n += 1) whileGood(access, ({ reason }) => ends.push(reason))()
  expect(revocations.listening).toBe(1)
  await clock.advance(100)
  revocations.revoke('token')
  expect([revocations.listening, revocations.asked - before, ends.length]).toEqual([0, 0, 0])
  expect(clock.sleeping).toBe(0)
})

test('what no verifier made of a token is not watched in silence', async () => {
  const copy = { ...(await letIn()) }
  expect(reasonOf(() => whileGood(copy, () => {}))).toBe('access-unknown')
})
