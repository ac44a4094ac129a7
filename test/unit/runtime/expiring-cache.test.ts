import { setImmediate as nextTurn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { CountersignError } from '../../../src/errors.ts'
import { ExpiringCache } from '../../../src/runtime/expiring-cache.ts'
import { FakeClock } from '../../../src/testing/fake-clock.ts'

interface Value {
  readonly name: string
  readonly expiresAt: Date
}

/** A cache with a value that is due and good for five minutes more, and what is asked for the next one. */
async function start() {
  const clock = new FakeClock()
  const asked: PromiseWithResolvers<Value>[] = []
  const cache = new ExpiringCache<string, Value>(clock, () => {
    const next = Promise.withResolvers<Value>()
    asked.push(next)
    return next.promise
  })
  const called = (name: string): Value => ({
    name,
    expiresAt: new Date(clock.now().getTime() + 600_000),
  })
  const first = called('first')
  const given = cache.get('key', 'request')
  asked[0]?.resolve(first)
  await given
  await clock.advance(300_000)
  return { clock, cache, asked, first, called }
}

test('who has waited in vain for the next one, and whose own was let go of meanwhile, waits for the next one', async () => {
  const { clock, cache, asked, first, called } = await start()
  const given = cache.get('key', 'request')
  await nextTurn()
  cache.forget('key', first)
  await clock.advance(250)
  const next = called('next')
  asked[1]?.resolve(next)
  expect(await given).toBe(next)
  expect(asked).toHaveLength(2)
})

test('a next one that fails after nobody waits for it any more is an error of nobody', async () => {
  const { clock, cache, asked, first } = await start()
  const given = cache.get('key', 'request')
  await nextTurn()
  await clock.advance(250)
  expect(await given).toBe(first)
  asked[1]?.reject(new CountersignError('unavailable', 'it is away', { reason: 'away' }))
  await nextTurn()
  expect(await cache.get('key', 'request')).toBe(first)
})
