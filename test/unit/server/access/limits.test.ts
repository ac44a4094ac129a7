import { expect, test } from 'vitest'
import { RateLimiter } from '../../../../server/access/limits.ts'
import { CountersignError } from '../../../../src/errors.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'

function refusal(act: () => void): CountersignError | undefined {
  try {
    act()
    return undefined
  } catch (error) {
    if (error instanceof CountersignError) return error
    throw error
  }
}

/** How many the key may have before it is refused; at most `tries`. */
function spend(limiter: RateLimiter, key: string, tries = 100): number {
  for (let count = 0; count < tries; count += 1) {
    if (refusal(() => limiter.take(key)) !== undefined) return count
  }
  return tries
}

test('a quiet key may spend its burst at once, each key its own', () => {
  const limiter = new RateLimiter({ perSecond: 2, burst: 5 }, new FakeClock())
  expect([spend(limiter, 'a'), spend(limiter, 'a'), spend(limiter, 'b')]).toEqual([5, 0, 5])
})

test('tokens come back with time, up to the burst, and by the clock that does not jump', async () => {
  const clock = new FakeClock()
  const limiter = new RateLimiter({ perSecond: 2, burst: 5 }, clock)
  spend(limiter, 'a')
  clock.jump(3_600_000)
  expect(spend(limiter, 'a')).toBe(0)
  await clock.advance(1500)
  expect(spend(limiter, 'a')).toBe(3)
  await clock.advance(60_000)
  expect(spend(limiter, 'a')).toBe(5)
})

test('the retry hint is the moment from which the same request is let in', async () => {
  const clock = new FakeClock()
  const limiter = new RateLimiter({ perSecond: 4, burst: 10 }, clock)
  limiter.take('a', 8)
  const refused = refusal(() => limiter.take('a', 6))
  expect(refused).toMatchObject({ code: 'exhausted', reason: 'rate-limited', retryAfterMs: 1000 })
  await clock.advance(999)
  expect(refusal(() => limiter.take('a', 6))?.retryAfterMs).toBe(1)
  await clock.advance(1)
  expect(refusal(() => limiter.take('a', 6))).toBeUndefined()
})

test('what is refused costs nothing', () => {
  const limiter = new RateLimiter({ perSecond: 1, burst: 10 }, new FakeClock())
  limiter.take('a', 4)
  expect(refusal(() => limiter.take('a', 7))?.reason).toBe('rate-limited')
  expect(refusal(() => limiter.take('a', 6))).toBeUndefined()
})

test('a request that can never be let in is told so, and not when to try again', () => {
  const limiter = new RateLimiter({ perSecond: 1, burst: 10 }, new FakeClock())
  const refused = refusal(() => limiter.take('a', 11))
  expect(refused).toMatchObject({ code: 'exhausted', reason: 'rate-limited' })
  expect(refused?.retryAfterMs).toBeUndefined()
  expect(spend(limiter, 'a')).toBe(10)
})

test('the keys that are remembered are bounded; one that is in use is not among the forgotten', () => {
  const limiter = new RateLimiter({ perSecond: 1, burst: 3 }, new FakeClock(), 10)
  spend(limiter, 'busy')
  spend(limiter, 'quiet')
  for (let key = 0; key < 40; key += 1) {
    limiter.take(`other-${key}`)
    expect(spend(limiter, 'busy')).toBe(0)
  }
  expect(spend(limiter, 'quiet')).toBe(3)
})
