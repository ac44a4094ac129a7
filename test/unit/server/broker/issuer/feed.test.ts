import { expect, test } from 'vitest'
import { openFeed } from '../../../../../server/broker/issuer/feed.ts'
import { CountersignError } from '../../../../../src/errors.ts'
import { silentLog } from '../../../../../src/runtime/log.ts'
import { FakeClock } from '../../../../../src/testing/fake-clock.ts'

test('that the feed cannot be followed is said once a minute', async () => {
  const clock = new FakeClock()
  const said: string[] = []
  let tries = 0
  const feed = openFeed({
    ...{ issuer: 'https://as.example', issuerCa: undefined, keys: async () => '' },
    // So nobody is asked, and nothing is waited for but the clock.
    svid() {
      tries += 1
      throw new CountersignError('unavailable', 'expired', { reason: 'source-expired' })
    },
    clock,
    log: { ...silentLog, warn: (message) => void said.push(message) },
  })
  const stop = new AbortController()
  const running = feed.run(stop.signal)
  await clock.advance(61_000)
  stop.abort()
  await running
  expect(tries).toBeGreaterThan(60)
  expect([said.length, new Set(said).size]).toEqual([2, 1])
})
