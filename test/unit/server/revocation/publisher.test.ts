import { expect, test } from 'vitest'
import type { ChangeBatch } from '../../../../server/changes/changes.ts'
import {
  createPublisher,
  type FeedEvent,
  type FeedPublisher,
} from '../../../../server/revocation/publisher.ts'
import { createRevocations } from '../../../../server/revocation/revocations.ts'
import type { StoredFact } from '../../../../server/store/revocation-facts.ts'
import { signCompact } from '../../../../src/jwt/sign.ts'
import { emptyHead, headAfter } from '../../../../src/revocation/fact.ts'
import { readFeedMessage } from '../../../../src/revocation/feed-message.ts'
import { FollowedState } from '../../../../src/revocation/followed-state.ts'
import { silentLog } from '../../../../src/runtime/log.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'
import { spkiOf } from '../../../../src/x509/key.ts'
import { feedKey, issuer } from '../../revocation/feed-fixture.ts'

/** The change log of a server, and what it has its readers told. */
class Server {
  readonly clock = new FakeClock()
  readonly revocations = createRevocations({ clock: this.clock, write: async () => 0 })
  readonly publisher: FeedPublisher
  readonly stop = new AbortController()
  signing = true
  #head = emptyHead
  #batch: (batch: ChangeBatch) => void = () => {}
  #look: (sinceMs: number) => void = () => {}

  constructor(before: readonly string[] = []) {
    this.revocations.apply({ facts: this.#facts(before) })
    this.publisher = createPublisher({
      issuer,
      clock: this.clock,
      log: silentLog,
      revocations: this.revocations,
      ca: {
        signFeed: (claims) =>
          this.signing
            ? signCompact(feedKey, 'feed', claims, 'revocation-feed+jwt')
            : Promise.reject(new Error('no key')),
      },
      changes: {
        logId: 'log',
        subscribe: (listener) => {
          this.#batch = listener
          return () => {}
        },
        onLook: (listener) => {
          this.#look = listener
          return () => {}
        },
      },
    })
    void this.publisher.run(this.stop.signal)
  }

  revoke(...ids: readonly string[]): void {
    const batch = { facts: this.#facts(ids) } as ChangeBatch
    this.revocations.apply(batch)
    this.#batch(batch)
  }

  look(): void {
    this.#look(this.clock.monotonicMs())
  }

  #facts(ids: readonly string[]): readonly StoredFact[] {
    return ids.map((id) => {
      const number = this.#head.number + 3
      const fact = { kind: 'token', id, notBefore: 0, endsAt: 4e9, number } as const
      this.#head = headAfter(this.#head, fact)
      return { ...fact, hash: this.#head.hash }
    })
  }
}

/** A reader that verifies and takes all that it is told. */
class Reader {
  readonly state = new FollowedState()
  readonly events: FeedEvent[] = []
  end = (): void => {}
  #waiting = 0

  readonly server: Server

  constructor(server: Server) {
    this.server = server
  }

  /** Resolves once its opening has been taken. */
  async connect(nonce = 'nonce'): Promise<number> {
    this.state.begin({ nonce, sentAtMs: this.server.clock.monotonicMs() })
    const { lastEventId } = this.state
    const onEvent = (event: FeedEvent): void => void this.events.push(event)
    const reader = { nonce, lastEventId, withinMs: 250, onEvent }
    const { opening, end } = this.server.publisher.subscribe(reader)
    this.end = end
    let pages = 0
    for await (const event of opening) {
      await this.#take(event)
      pages += 1
    }
    return pages
  }

  /** Takes the next events, as many as are asked for. */
  async take(count: number): Promise<void> {
    while (this.events.length - this.#waiting < count) await new Promise(setImmediate)
    for (const event of this.events.slice(this.#waiting, this.#waiting + count)) {
      await this.#take(event)
    }
    this.#waiting += count
  }

  knows(...ids: readonly string[]): boolean {
    return ids.every((id) => this.state.facts.find('token', id) !== undefined)
  }

  async #take({ data }: FeedEvent): Promise<void> {
    const keyOf = async () => spkiOf(feedKey.publicKey)
    this.state.take(await readFeedMessage(data, { issuer, keyOf }), Number.POSITIVE_INFINITY)
  }
}

test('a reader gets all there is, then each fact as it is committed, and heartbeats between', async () => {
  const server = new Server(['a', 'b'])
  const reader = new Reader(server)
  await reader.connect()
  expect(reader.knows('a', 'b')).toBe(true)
  server.revoke('c', 'd')
  await reader.take(1)
  expect(reader.knows('c', 'd')).toBe(true)
  await server.clock.advance(200)
  server.look()
  await reader.take(1)
  expect(reader.state.ageMs(server.clock.monotonicMs(), server.clock.now())).toBe(0)
})

test('whoever comes while a message is on the way misses nothing and hears nothing twice', async () => {
  const server = new Server(['a'])
  const first = new Reader(server)
  await first.connect()
  server.revoke('b')
  const second = new Reader(server)
  const connecting = second.connect()
  server.revoke('c')
  await connecting
  await Promise.all([first.take(2), second.take(1)])
  expect([first.knows('a', 'b', 'c'), second.knows('a', 'b', 'c')]).toEqual([true, true])
})

test('a reader that comes back is told what it missed, and no more', async () => {
  const server = new Server(['a'])
  const reader = new Reader(server)
  await reader.connect()
  reader.end()
  server.revoke('b')
  await reader.connect('second')
  expect(reader.knows('a', 'b')).toBe(true)
  expect(server.publisher.readers).toBe(1)
})

test('a snapshot of 100,000 facts comes in pages, and is complete', async () => {
  const server = new Server(Array.from({ length: 100_000 }, (_, at) => `token-${at}`))
  const reader = new Reader(server)
  const pages = await reader.connect()
  expect(pages).toBeGreaterThan(100)
  expect(reader.state.facts.size).toBe(100_000)
  server.revoke('late')
  await reader.take(1)
  expect(reader.knows('token-0', 'token-99999', 'late')).toBe(true)
})

test('many facts at once come in several messages that continue each other', async () => {
  const server = new Server()
  const reader = new Reader(server)
  await reader.connect()
  const ids = Array.from(
    { length: 1000 },
    (_, at) => `spiffe://example.org/${'x'.repeat(900)}${at}`,
  )
  server.revoke(...ids)
  while (!reader.knows(...ids)) await reader.take(1)
  expect(reader.events.length).toBeGreaterThan(20)
})

test('while the log cannot be read there is no heartbeat that says so', async () => {
  const server = new Server()
  const reader = new Reader(server)
  await reader.connect()
  await server.clock.advance(600)
  server.revoke('a')
  await reader.take(1)
  // The fact is there, but what else there is was last known 600 ms ago.
  expect(reader.state.ageMs(server.clock.monotonicMs(), server.clock.now())).toBe(600)
})

test('what could not be signed is not told as if there had been nothing', async () => {
  const server = new Server()
  const reader = new Reader(server)
  await reader.connect()
  server.signing = false
  server.revoke('withheld')
  await server.clock.advance(10)
  server.signing = true
  server.look()
  await expect(reader.take(1)).rejects.toMatchObject({ reason: 'feed-gap' })
  await reader.connect('second')
  expect(reader.knows('withheld')).toBe(true)
})
