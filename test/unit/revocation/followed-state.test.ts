import { beforeEach, describe, expect, test } from 'vitest'
import { CountersignError } from '../../../src/errors.ts'
import { headAfter } from '../../../src/revocation/fact.ts'
import type { FeedMessage } from '../../../src/revocation/feed-message.ts'
import { FollowedState } from '../../../src/revocation/followed-state.ts'
import { fact, Teller } from './feed-fixture.ts'

const web = 'spiffe://example.org/web'
let teller: Teller
let state: FollowedState
/** When messages come. */
let nowMs: number

beforeEach(() => {
  teller = new Teller()
  state = new FollowedState()
  nowMs = 10_000
  state.begin({ nonce: 'nonce', sentAtMs: 100 })
})

function take(...messages: readonly FeedMessage[]): void {
  for (const message of messages) state.take(message, nowMs)
}

/** The reason for which one of them is refused. */
function refusal(...messages: readonly FeedMessage[]): string {
  try {
    take(...messages)
    return 'taken'
  } catch (error) {
    if (error instanceof CountersignError) return error.reason
    throw error
  }
}

/** A reader that is at the teller's head. */
function catchUp(): void {
  const { facts } = teller.append(fact(web), fact('spiffe://example.org/api'))
  take(teller.page(1, 1, facts))
}

const ageMs = (atMs: number): number => state.ageMs(atMs, new Date(0))
const known = (id: string): boolean => state.facts.find('spiffe-id', id) !== undefined

describe('what continues the chain is taken', () => {
  test('a snapshot, then facts as they come, and the place in the chain with them', () => {
    expect(state.lastEventId).toBeUndefined()
    catchUp()
    expect(known(web)).toBe(true)
    expect(state.lastEventId).toBe(`log.${teller.head.number}`)
    take(teller.append(fact('spiffe://example.org/late')), teller.message())
    expect(known('spiffe://example.org/late')).toBe(true)
    expect(state.lastEventId).toBe(`log.${teller.head.number}`)
  })

  test('a snapshot in pages counts only once it is whole', () => {
    const { facts } = teller.append(fact('a'), fact('b'), fact('c'))
    const pages = facts.map((one, at) => teller.page(at + 1, 3, [one]))
    take(...pages.slice(0, 2))
    expect(ageMs(100)).toBe(Number.POSITIVE_INFINITY)
    expect(state.lastEventId).toBeUndefined()
    take(...pages.slice(2))
    expect(ageMs(100)).toBe(0)
    expect(state.facts.size).toBe(3)
  })

  test('facts that are known already may come again with new ones, from a server that cuts elsewhere', () => {
    const first = teller.append(fact('a'))
    take(teller.page(1, 1, first.facts))
    const before = first.head
    const second = teller.append(fact('b'))
    const prev = { number: 0, hash: '' }
    take(teller.message({ prev, facts: [...first.facts, ...second.facts] }))
    expect(known('b')).toBe(true)
    expect(before).not.toEqual(second.head)
  })

  test('another connection goes on where the last one ended, with the facts of meanwhile', () => {
    catchUp()
    state.begin({ nonce: 'second', sentAtMs: 900 })
    const missed = teller.append(fact('missed'))
    take({ ...missed, run: 'other', hello: { nonce: 'second', now: teller.now } })
    expect(known('missed')).toBe(true)
    expect(ageMs(900)).toBe(0)
  })

  test('a log of another id begins with a snapshot, and what was known before is not forgotten', () => {
    catchUp()
    state.begin({ nonce: 'nonce', sentAtMs: 200 })
    const restored = new Teller()
    restored.log = 'restored'
    take(restored.page(1, 1, restored.append(fact('new')).facts))
    expect(known(web) && known('new')).toBe(true)
    expect(state.lastEventId).toBe(`restored.${restored.head.number}`)
  })
})

describe('how old what is known may be', () => {
  test('counts from when the request left, less what has passed at the server since its hello', () => {
    catchUp()
    expect(ageMs(130)).toBe(30)
    teller.now += 200
    take(teller.message())
    expect(ageMs(330)).toBe(30)
    // Held up on the way by half a second: the server's clock says so.
    teller.now += 200
    take(teller.message())
    expect(ageMs(1030)).toBe(530)
  })

  test('goes by when the server last read its log, not by when it speaks', () => {
    catchUp()
    const looked = teller.now
    teller.now += 600
    take(teller.message({ clock: looked }))
    expect(ageMs(800)).toBe(700)
  })

  test('does not grow by a new connection that is slower', () => {
    catchUp()
    state.begin({ nonce: 'nonce', sentAtMs: 50 })
    take(teller.hello())
    expect(ageMs(130)).toBe(30)
  })
})

describe('what does not continue the chain is refused', () => {
  const cases: readonly [string, string, () => readonly FeedMessage[]][] = [
    [
      'a message is missing',
      'feed-gap',
      () => {
        teller.append(fact('withheld'))
        return [teller.append(fact('next'))]
      },
    ],
    [
      'a heartbeat tells of facts that never came',
      'feed-gap',
      () => {
        teller.append(fact('withheld'))
        return [teller.message()]
      },
    ],
    [
      'two messages come in the wrong order',
      'feed-gap',
      () => [teller.append(fact('a')), teller.append(fact('b'))].reverse(),
    ],
    [
      'a fact is left out of a message',
      'feed-forked',
      () => {
        const message = teller.append(fact('a'), fact('b'))
        return [{ ...message, facts: message.facts.slice(1) }]
      },
    ],
    [
      'a fact says something else',
      'feed-forked',
      () => {
        const message = teller.append(fact('a'))
        return [{ ...message, facts: message.facts.map((one) => ({ ...one, notBefore: 1 })) }]
      },
    ],
    [
      'facts count backwards',
      'feed-forked',
      () => {
        const message = teller.append(fact('a'), fact('b'))
        return [{ ...message, facts: message.facts.toReversed() }]
      },
    ],
    [
      'a number is there twice',
      'feed-forked',
      () => {
        const prev = teller.head
        const [one] = teller.append(fact('a')).facts
        if (one === undefined) throw new Error('there is no fact')
        const again = { ...one, number: prev.number }
        const head = headAfter(prev, again)
        return [teller.message({ prev, facts: [again], head })]
      },
    ],
    [
      'the same number has another past',
      'feed-forked',
      () => {
        const { number } = teller.head
        return [teller.message({ prev: { number, hash: 'x' }, head: { number, hash: 'x' } })]
      },
    ],
    [
      'another log goes on as if it were this one',
      'feed-gap',
      () => [{ ...teller.message(), log: 'restored' }],
    ],
    [
      'the head went back',
      'feed-went-back',
      () => [teller.message({ head: { number: 1, hash: '' }, prev: { number: 1, hash: '' } })],
    ],
  ]

  test.each(cases)('where %s', (_name, reason, messages) => {
    catchUp()
    expect(ageMs(100)).toBe(0)
    expect(refusal(...messages())).toBe(reason)
    // Something is known to be missing: what is known counts as too old at once, but is not forgotten.
    expect(ageMs(100)).toBe(Number.POSITIVE_INFINITY)
    expect(known(web)).toBe(true)
  })

  test('a gap is closed by a snapshot, and by nothing else', () => {
    catchUp()
    const withheld = teller.append(fact('withheld'))
    expect(refusal(teller.message())).toBe('feed-gap')
    expect(state.lastEventId).toBeUndefined()
    state.begin({ nonce: 'nonce', sentAtMs: 300 })
    take(teller.page(1, 1, withheld.facts))
    expect(known('withheld')).toBe(true)
    expect(ageMs(300)).toBe(0)
  })

  test('a server that knows less stays refused until it knows as much again', () => {
    catchUp()
    const behind = new Teller()
    expect(refusal({ ...behind.message() })).toBe('feed-went-back')
    for (let tries = 0; tries < 2; tries += 1) {
      state.begin({ nonce: 'nonce', sentAtMs: 300 })
      expect(refusal(behind.page(1, 1))).toBe('feed-went-back')
      expect(ageMs(300)).toBe(Number.POSITIVE_INFINITY)
    }
    state.begin({ nonce: 'nonce', sentAtMs: 300 })
    take(teller.hello())
    expect(ageMs(300)).toBe(0)
  })

  test('what was said before the connection was made does not open it, nor to somebody else', () => {
    catchUp()
    state.begin({ nonce: 'second', sentAtMs: 300 })
    expect(refusal(teller.hello())).toBe('feed-nonce')
    expect(refusal(teller.message())).toBe('feed-nonce')
    expect(ageMs(300)).toBe(200)
  })

  test('heartbeats of before do not keep what is known fresh', () => {
    catchUp()
    const recorded = teller.message()
    teller.now += 200
    take(teller.message())
    expect(refusal(recorded)).toBe('feed-reordered')
    expect(refusal({ ...teller.message(), run: 'other' })).toBe('feed-run')
    expect(ageMs(300)).toBe(0)
    expect(ageMs(1000)).toBe(700)
  })

  test('pages of a snapshot come each, in order, and of one head', () => {
    const { facts } = teller.append(fact('a'), fact('b'))
    const [one, two] = [teller.page(1, 2, facts), teller.page(2, 2)]
    const others = [
      [two],
      [one, one],
      [one, teller.message()],
      [one, { ...two, page: { number: 2, of: 3 } }],
      [one, { ...two, head: { number: 3, hash: 'x' } }],
    ]
    for (const messages of others) {
      state.begin({ nonce: 'nonce', sentAtMs: 100 })
      expect(refusal(...messages)).toBe('feed-reordered')
      expect(state.lastEventId).toBeUndefined()
    }
  })
})

test('T20 what comes from later than now is believed by no clock that stood still: it is stale, and begins anew', () => {
  catchUp()
  nowMs = 100
  teller.now += 250
  take(teller.message())
  expect(ageMs(100)).toBe(0)
  // Two clocks may go apart by so much, and no more.
  teller.now += 1
  expect(refusal(teller.message())).toBe('feed-clock')
  state.begin({ nonce: 'another', sentAtMs: 100 })
  take({ ...teller.hello(), hello: { nonce: 'another', now: teller.now } })
  // The machine slept for a minute, and its monotonic clock with it; what was sent meanwhile comes at once.
  teller.now += 60_000
  expect(refusal(teller.message())).toBe('feed-clock')
  expect(ageMs(100)).toBe(Number.POSITIVE_INFINITY)
  state.begin({ nonce: 'second', sentAtMs: 100 })
  take({ ...teller.hello(), hello: { nonce: 'second', now: teller.now } })
  expect(ageMs(100)).toBe(0)
  expect(state.lastEventId).toBe(`log.${teller.head.number}`)
})
