import { expect, test } from 'vitest'
import { createClockGuard } from '../../../../server/ca/clock-guard.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'

const minute = 60_000

test('T20 a clock that goes back by up to five minutes is not followed', () => {
  const clock = new FakeClock()
  const guard = createClockGuard(clock, undefined)
  const before = guard.now()
  clock.jump(-5 * minute)
  expect(guard.now()).toEqual(before)
  expect(guard.ready()).toBeUndefined()
})

test('T20 a clock that goes back by more stops all signing until it is right again', () => {
  const clock = new FakeClock()
  const guard = createClockGuard(clock, undefined)
  guard.now()
  clock.jump(-5 * minute - 1)
  expect(() => guard.now()).toThrow(expect.objectContaining({ reason: 'clock-went-back' }))
  expect(guard.ready()).toMatchObject({ code: 'unavailable', reason: 'clock-went-back' })
  clock.jump(minute)
  expect(guard.ready()).toBeUndefined()
})

test('T20 what an earlier run saw counts', () => {
  const clock = new FakeClock()
  const guard = createClockGuard(clock, new Date(clock.now().getTime() + 86_400_000))
  expect(guard.ready()?.reason).toBe('clock-went-back')
})

test('T20 an operator may accept the clock as it is', () => {
  const clock = new FakeClock()
  const guard = createClockGuard(clock, undefined)
  const before = guard.now()
  clock.jump(-86_400_000)
  expect(guard.accept()).toEqual({ before, after: clock.now() })
  expect(guard.now()).toEqual(clock.now())
})
