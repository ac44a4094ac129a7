import { expect, test } from 'vitest'
import { CountersignError } from '../../../src/errors.ts'
import { createOutage } from '../../../src/runtime/outage.ts'
import { FakeClock } from '../../../src/testing/fake-clock.ts'

const error = (reason: string) => new CountersignError('unavailable', 'x', { reason })

test('an outage is told at first, with each new reason, ever more seldom, and when it is over', async () => {
  const clock = new FakeClock()
  const said: string[] = []
  const say = (level: string) => (message: string, fields?: object) =>
    void (
      level !== 'debug' &&
      said.push(`${clock.monotonicMs()} ${level} ${message} ${JSON.stringify(fields)}`)
    )
  const log = { error: say('error'), warn: say('warn'), info: say('info'), debug: say('debug') }
  const outage = createOutage({ lost: 'lost', back: 'back', clock, log })
  const startMs = clock.monotonicMs()
  outage.over()
  for (let second = 0; second < 500; second += 1) {
    outage.failed(error('away'))
    if (second === 10) outage.failed(error('other'))
    await clock.advance(1000)
  }
  outage.over()
  outage.over()
  outage.failed(error('away'))
  const seconds = said.map((line) => {
    const [ms = '', level, message] = line.split(' ')
    return `${(Number(ms) - startMs) / 1000} ${level} ${message}`
  })
  expect(seconds).toEqual([
    ...['0 warn lost', '10 warn lost', '60 warn lost', '180 warn lost', '420 warn lost'],
    ...['500 info back', '500 warn lost'],
  ])
  expect(said[3]).toContain('"awaySeconds":180')
})

test('an outage is on from its first failure until it is over, and is said as loud as it has to be, of whatever was thrown', () => {
  const said: [string, object | undefined][] = []
  const say = (level: string) => (message: string, fields?: object) =>
    void said.push([`${level} ${message}`, fields])
  const log = { error: say('error'), warn: say('warn'), info: say('info'), debug: say('debug') }
  const words = { lost: 'lost', back: 'back', level: 'error' } as const
  const outage = createOutage({ ...words, clock: new FakeClock(), log })
  expect(outage.isOn).toBe(false)
  const thrown = new TypeError('a bug')
  outage.failed(thrown, { stream: 'siem' })
  expect(outage.isOn).toBe(true)
  outage.over({ stream: 'siem' })
  expect(outage.isOn).toBe(false)
  expect(said).toEqual([
    ['error lost', { stream: 'siem', error: thrown }],
    ['info back', { stream: 'siem', awaySeconds: 0 }],
  ])
})
