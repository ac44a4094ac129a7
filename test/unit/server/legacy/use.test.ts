import { expect, test } from 'vitest'
import { createLegacyUse } from '../../../../server/legacy/use.ts'
import { insertEntries } from '../../../../server/store/entries.ts'
import { legacyUse } from '../../../../server/store/legacy-use.ts'
import { CountersignError } from '../../../../src/errors.ts'
import { silentLog } from '../../../../src/runtime/log.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'
import { anEntry, tempStore } from '../store/fixture.ts'

test('what the store did not take is written with the next, the newest use of each, and said once', async () => {
  await using store = await tempStore()
  await store.write((tx) =>
    insertEntries(
      tx,
      ['a', 'b'].map((id) => anEntry(id, { id })),
    ),
  )
  const clock = new FakeClock()
  const said: string[] = []
  const say = (message: string): void => void said.push(message)
  let isAway = true
  const use = createLegacyUse({
    store: {
      write: async (work) => {
        if (isAway) throw new CountersignError('unavailable', 'away', { reason: 'store-away' })
        return store.write(work)
      },
    },
    clock,
    log: { ...silentLog, error: say, info: say },
  })
  const stop = new AbortController()
  const running = use.run(stop.signal)
  const first = clock.now()
  use.note('a')
  use.note('b')
  await clock.advance(2000)
  const then = clock.now()
  use.note('b')
  await clock.advance(2000)
  expect(said).toEqual(['it could not be written down which legacy keys were used'])
  isAway = false
  stop.abort()
  await running
  expect(await legacyUse(store.db, ['a', 'b'])).toEqual(
    new Map([
      ['a', first],
      ['b', then],
    ]),
  )
  expect(said[1]).toBe('which legacy keys were used is written down again')
})
