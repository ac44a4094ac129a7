import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Acknowledgement, createAcknowledger } from '../../../src/revocation/acknowledger.ts'
import { FakeClock } from '../../../src/testing/fake-clock.ts'

let clock: FakeClock
let sent: Acknowledgement[]
let refusing: boolean
let stop: AbortController
let applied: (head: string, withinMs?: number) => void
let chance: number

beforeEach(() => {
  clock = new FakeClock()
  sent = []
  refusing = false
  chance = 0
  stop = new AbortController()
  const send = async (one: Acknowledgement): Promise<void> => {
    sent.push(one)
    if (refusing) throw new Error('refused')
  }
  applied = createAcknowledger({ send, clock, random: () => chance }, 'nonce', stop.signal)
})

afterEach(() => stop.abort())

test('of many heads that were applied the newest is told, once, and again only when it has moved', async () => {
  for (let number = 1; number <= 50; number += 1) applied(`log.${number}`)
  await clock.advance(124)
  expect(sent).toEqual([])
  await clock.advance(1)
  expect(sent).toEqual([{ nonce: 'nonce', head: 'log.50', delayMs: 125 }])
  applied('log.50')
  await clock.advance(60_000)
  expect(sent).toHaveLength(1)
  applied('log.51')
  await clock.advance(125)
  expect(sent.at(-1)).toEqual({ nonce: 'nonce', head: 'log.51', delayMs: 125 })
})

test('what the issuer does not take is told again, ever more seldom, and never after the connection has ended', async () => {
  refusing = true
  applied('log.1')
  await clock.advance(60_000)
  expect(sent.length).toBeGreaterThan(10)
  expect(sent.length).toBeLessThan(40)
  refusing = false
  await clock.advance(10_000)
  const told = sent.length
  await clock.advance(60_000)
  expect(sent).toHaveLength(told)
  stop.abort()
  applied('log.2')
  await clock.advance(60_000)
  expect(sent).toHaveLength(told)
})

test('the issuer says in how long to tell it, up to a minute; how long that took is told along', async () => {
  chance = 0.5
  applied('log.1', 10_000)
  await clock.advance(1000)
  applied('log.2')
  await clock.advance(3999)
  expect(sent).toEqual([])
  await clock.advance(1)
  expect(sent).toEqual([{ nonce: 'nonce', head: 'log.2', delayMs: 5000 }])
  applied('log.3', 1e9)
  await clock.advance(30_000)
  expect(sent.at(-1)).toEqual({ nonce: 'nonce', head: 'log.3', delayMs: 30_000 })
})

test('what the issuer does not answer is given up before it is told again', async () => {
  let open = 0
  let most = 0
  const send = (_: Acknowledgement, signal: AbortSignal): Promise<void> =>
    new Promise((_resolve, reject) => {
      open += 1
      most = Math.max(most, open)
      signal.addEventListener('abort', () => {
        open -= 1
        reject(signal.reason)
      })
    })
  applied = createAcknowledger({ send, clock }, 'nonce', stop.signal)
  applied('log.1')
  await clock.advance(60_000)
  expect(most).toBe(1)
})
