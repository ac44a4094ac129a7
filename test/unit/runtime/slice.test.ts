import { setImmediate as turn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { systemClock } from '../../../src/runtime/clock.ts'
import { Slice } from '../../../src/runtime/slice.ts'

test('work that rests where its slice is over leaves everything else a turn at least every 10 ms', async () => {
  // A clock of the work alone: what other programs take of the machine is not its doing.
  let workedMs = 0
  let longestMs = 0
  let turns = 0
  let done = false
  const watched = (async () => {
    for (let last = 0; !done; last = workedMs) {
      await turn()
      turns += 1
      longestMs = Math.max(longestMs, workedMs - last)
    }
  })()
  const slice = new Slice({ ...systemClock, monotonicMs: () => workedMs })
  for (let piece = 0; piece < 100; piece += 1) {
    workedMs += 2
    if (slice.isOver) await slice.rest()
  }
  done = true
  await watched
  expect(workedMs).toBe(200)
  expect(longestMs).toBeLessThan(10)
  expect(turns).toBeGreaterThan(20)
})
