import { beforeEach, expect, test } from 'vitest'
import {
  type Acknowledgements,
  acknowledgeWithinMs,
  createAcknowledgements,
} from '../../../../server/revocation/acknowledgements.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'
import { idOf } from '../entry/samples.ts'

const logId = 'a'.repeat(32)
const head = (number: number): string => `${logId}.${number}`
const orders = { spiffeId: idOf('/orders'), nonce: 'n1' }
const refusal = (reason: string): unknown => expect.objectContaining({ reason })
let clock: FakeClock
let acks: Acknowledgements
let last: number

function note(...numbers: readonly number[]): void {
  last = numbers.at(-1) ?? last
  acks.note(numbers.map((number) => ({ number })))
}

beforeEach(() => {
  clock = new FakeClock()
  last = 10
  acks = createAcknowledgements({ logId, head: () => last, clock })
})

test('the lag is that of the oldest fact that is acknowledged, and what is left is counted', async () => {
  acks.join(orders, 0).opened()
  expect(acks.take(orders, head(10), 0)).toBeUndefined()
  note(12)
  await clock.advance(300)
  note(15, 16)
  await clock.advance(100)
  expect(acks.standings()).toMatchObject([{ unacknowledged: 3, owesMs: 400 }])
  expect(acks.take(orders, head(15), 0)).toBe(400)
  expect(acks.standings()).toMatchObject([{ unacknowledged: 1, owesMs: 100 }])
  // What it has said it cannot take back.
  expect(acks.take(orders, head(11), 0)).toBeUndefined()
  expect(acks.take(orders, head(16), 0)).toBe(100)
  expect(acks.standings()).toMatchObject([{ unacknowledged: 0, owesMs: 0 }])
})

test('a connection owes a first acknowledgement once all was sent, and nothing when it has ended', async () => {
  const standing = acks.join(orders, 0)
  await clock.advance(5000)
  expect(acks.standings()).toMatchObject([{ owesMs: 0 }])
  standing.opened()
  await clock.advance(700)
  expect(acks.standings()).toMatchObject([{ unacknowledged: 0, owesMs: 700 }])
  standing.leave()
  expect(acks.standings()).toEqual([])
  expect(() => acks.take(orders, head(10), 0)).toThrow(refusal('feed-stream-unknown'))
})

test('what has taken the place of a connection stays when that has ended', () => {
  const before = acks.join(orders, 0)
  acks.join(orders, 0)
  before.leave()
  expect(acks.standings().length).toBe(1)
  expect(acks.take(orders, head(10), 0)).toBeUndefined()
})

test('nobody acknowledges for another, nor with another connection, nor what was not told', () => {
  acks.join(orders, 0)
  const others = [
    { ...orders, spiffeId: idOf('/stranger') },
    { ...orders, nonce: 'n2' },
    { ...orders, nonce: '' },
  ]
  for (const other of others) {
    expect(() => acks.take(other, head(10), 0)).toThrow(refusal('feed-stream-unknown'))
  }
  for (const wrong of [head(11), `${'b'.repeat(32)}.10`, '10', head(-1), `${head(10)}\n`]) {
    expect(() => acks.take(orders, wrong, 0)).toThrow(refusal('request-head'))
  }
})

test('what all have acknowledged is not kept, and what nobody acknowledges is kept up to a bound', () => {
  acks.join(orders, 0).opened()
  note(...Array.from({ length: 15_000 }, (_, at) => 11 + at))
  expect(acks.standings()).toMatchObject([{ unacknowledged: 10_000 }])
  acks.take(orders, head(15_010), 0)
  note(15_011)
  expect(acks.standings()).toMatchObject([{ unacknowledged: 1 }])
})

test('many readers have more time each, and what they keep to themselves meanwhile is no lag', async () => {
  expect([1, 25, 1000].map(acknowledgeWithinMs)).toEqual([250, 250, 10_000])
  acks.join(orders, 10_000).opened()
  acks.take(orders, head(10), 0)
  note(12)
  await clock.advance(9000)
  expect(acks.standings()).toMatchObject([{ unacknowledged: 1, owesMs: 0 }])
  await clock.advance(1500)
  expect(acks.standings()).toMatchObject([{ unacknowledged: 1, owesMs: 500 }])
  expect(acks.take(orders, head(12), 10_480)).toBe(20)
  note(13)
  // Nobody has applied what was not there yet.
  expect(acks.take(orders, head(13), 999_999)).toBe(0)
})
