import { expect, test } from 'vitest'
import { runPrune } from '../../../../server/revocation/prune.ts'
import { factsAfter, insertFacts } from '../../../../server/store/revocation-facts.ts'
import { silentLog } from '../../../../src/runtime/log.ts'
import { eventually } from '../../../../src/testing/eventually.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'
import { tempStore } from '../store/fixture.ts'

const hourSeconds = 3600
const [interval, ahead] = [600_000, 3 * hourSeconds * 1000]

test('T20 facts go an hour after their end, and none because the wall clock is three hours ahead for a while', async () => {
  await using store = await tempStore()
  const clock = new FakeClock()
  const start = clock.now().getTime() / 1000
  const fact = (id: string, endsAt: number) =>
    ({ kind: 'token', id, notBefore: start, endsAt }) as const
  await store.write((tx) =>
    insertFacts(tx, [
      fact('over', start - hourSeconds),
      fact('good', start + hourSeconds),
      fact('last', start + hourSeconds),
    ]),
  )
  const kept = async () => (await factsAfter(store.db, 0, 10)).facts.map(({ id }) => id)
  const stop = new AbortController()
  const pruning = runPrune({ store, clock, log: silentLog }, stop.signal).catch(() => {})

  clock.jump(ahead)
  await clock.advance(interval)
  await eventually(async () => !(await kept()).includes('over'))
  expect(await kept()).toEqual(['good', 'last'])

  clock.jump(-ahead)
  await eventually(async () => {
    await clock.advance(interval)
    return (await kept()).length === 1
  })
  stop.abort()
  await pruning
})
