import { setImmediate } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { openFeed } from '../../../../../server/broker/issuer/feed.ts'
import { silentLog } from '../../../../../src/runtime/log.ts'
import { FakeClock } from '../../../../../src/testing/fake-clock.ts'
import { root } from '../../../../support/x509-fixtures.ts'
import { svidOf } from '../../../mtls/test-source.ts'

test('that the feed cannot be followed is said once a minute', async () => {
  const clock = new FakeClock()
  const said: string[] = []
  const svid = await svidOf(await root('ca'), 'spiffe://here.test/broker')
  let tries = 0
  const feed = openFeed({
    // Nobody listens there.
    ...{ issuer: 'https://127.0.0.1:1', issuerCa: undefined, keys: async () => '' },
    svid() {
      tries += 1
      return svid
    },
    clock,
    log: { ...silentLog, warn: (message) => void said.push(message) },
  })
  const stop = new AbortController()
  const running = feed.run(stop.signal)
  for (let seconds = 0; seconds < 61; seconds += 1) {
    const before = tries
    await clock.advance(1000)
    while (tries === before) await setImmediate()
  }
  stop.abort()
  await running
  expect([said.length, new Set(said).size]).toEqual([2, 1])
})
