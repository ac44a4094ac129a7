import { expect, test } from 'vitest'
import { createReadiness } from '../../../server/readiness.ts'
import { CountersignError } from '../../../src/errors.ts'
import { FakeClock } from '../../../src/testing/fake-clock.ts'

test('one answer serves whoever asks within half a second, and none is older', async () => {
  const clock = new FakeClock()
  let probes = 0
  const notReady = createReadiness(clock, [
    async () => {
      probes += 1
    },
  ])
  expect(await Promise.all([notReady(), notReady()])).toEqual([undefined, undefined])
  await clock.advance(499)
  await notReady()
  expect(probes).toBe(1)
  await clock.advance(1)
  await notReady()
  expect(probes).toBe(2)
})

test('a probe that hangs is not joined by another', async () => {
  const clock = new FakeClock()
  let probes = 0
  let free = (): void => {}
  const notReady = createReadiness(clock, [
    () => {
      probes += 1
      return new Promise((resolve) => {
        free = resolve
      })
    },
  ])
  const answers = [notReady()]
  for (let second = 0; second < 60; second += 1) {
    await clock.advance(1000)
    answers.push(notReady())
  }
  expect(probes).toBe(1)
  free()
  expect(new Set(await Promise.all(answers))).toEqual(new Set([undefined]))
})

test('the first fault is the reason, thrown or told', async () => {
  const fault = (reason: string) => new CountersignError('unavailable', 'no', { reason })
  const clock = new FakeClock()
  const told = createReadiness(clock, [() => undefined, () => fault('clock-went-back')])
  expect(await told()).toBe('clock-went-back')
  const thrown = createReadiness(clock, [
    () => Promise.reject(fault('audit-unwritable')),
    () => fault('never asked'),
  ])
  expect(await thrown()).toBe('audit-unwritable')
  expect(await createReadiness(clock, [() => Promise.reject(new Error('x'))])()).toBe('internal')
})
