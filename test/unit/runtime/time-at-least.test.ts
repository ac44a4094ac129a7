import { describe, expect, it } from 'vitest'
import { timeAtLeast } from '../../../src/runtime/time-at-least.ts'
import { FakeClock } from '../../../src/testing/fake-clock.ts'

const hour = 3_600_000

describe('what time it is at least', () => {
  it('does not follow a wall clock that is ahead for a while', async () => {
    const clock = new FakeClock()
    const time = timeAtLeast(clock)
    const startMs = clock.now().getTime()
    clock.jump(2 * hour)
    await clock.advance(60_000)
    expect(time().getTime()).toBe(startMs + 60_000)
    clock.jump(-2 * hour)
    expect(time()).toEqual(clock.now())
  })

  it('is the wall clock’s where that was ahead at first, and is set back', () => {
    const clock = new FakeClock()
    const time = timeAtLeast(clock)
    clock.jump(-hour)
    expect(time()).toEqual(clock.now())
  })

  it('takes for right what the wall clock has said for an hour', async () => {
    const clock = new FakeClock()
    const time = timeAtLeast(clock)
    clock.jump(-24 * hour)
    time()
    clock.jump(24 * hour)
    await clock.advance(hour - 1)
    expect(time().getTime()).toBe(clock.now().getTime() - 24 * hour)
    await clock.advance(1)
    expect(time()).toEqual(clock.now())
  })
})
