import { afterEach, beforeEach, expect, onTestFinished, test, vi } from 'vitest'
import {
  createRevocationFeed,
  type FeedRequest,
  type RevocationFeed,
} from '../../../src/revocation/feed-client.ts'
import type { FeedMessage } from '../../../src/revocation/feed-message.ts'
import { eventually } from '../../../src/testing/eventually.ts'
import { FakeClock } from '../../../src/testing/fake-clock.ts'
import { generateKeyPair, softwareSigner, spkiOf } from '../../../src/x509/key.ts'
import { fact, feedKey, issuer, sign, Teller } from './feed-fixture.ts'

const clock = new FakeClock()
let teller: Teller
let feed: RevocationFeed
let requests: FeedRequest[]
let troubles: string[]
let say: (chunk: string | undefined) => void
let stop: AbortController
let running: Promise<void>

beforeEach(() => {
  teller = new Teller()
  requests = []
  troubles = []
  stop = new AbortController()
  feed = createRevocationFeed({
    issuer,
    clock,
    keyOf: async (id) => (id === 'feed' ? spkiOf(feedKey.publicKey) : undefined),
    onTrouble: ({ reason }) => void troubles.push(reason),
    async open(request, signal) {
      const { readable, writable } = new TransformStream<string, string>()
      const writer = writable.getWriter()
      say = (chunk) => {
        const done = chunk === undefined ? writer.close() : writer.write(chunk)
        done.catch(() => {})
      }
      signal.addEventListener('abort', () => writer.abort().catch(() => {}), { once: true })
      teller.nonce = request.nonce
      requests.push(request)
      return readable
    },
  })
  running = feed.run(stop.signal)
})

afterEach(async () => {
  stop.abort()
  await running
})

async function tell(message: FeedMessage): Promise<void> {
  say(`id: 1\r\ndata: ${await sign(message)}\r\n\r\n`)
}

/** Lets the reader come back after a failure. */
async function reconnected(): Promise<void> {
  const before = requests.length
  await eventually(async () => {
    await clock.advance(100)
    return requests.length > before
  })
}

test('T20 it is fresh from the first snapshot on, for 700 ms by the monotonic clock at each look', async () => {
  expect(feed.fresh()).toBe(false)
  await tell(teller.page(1, 1, teller.append(fact('spiffe://example.org/web')).facts))
  await eventually(() => feed.fresh())
  expect(feed.judge({ sub: 'spiffe://example.org/web', iat: 900 })).toMatchObject({
    kind: 'spiffe-id',
  })
  await clock.advance(699)
  expect(feed.fresh()).toBe(true)
  clock.jump(-3_600_000)
  expect(feed.fresh()).toBe(true)
  await clock.advance(1)
  expect(feed.fresh()).toBe(false)
  teller.now += 700
  await tell(teller.message())
  await eventually(() => feed.fresh())
})

test.each<[string, string, () => Promise<string>]>([
  [
    'by a key that is not the feed’s',
    'feed-signature',
    async () => {
      const { privateKey } = await generateKeyPair('ec-p256')
      return sign(teller.message(), softwareSigner(privateKey))
    },
  ],
  ['under a key id that nobody knows', 'feed-key', () => sign(teller.message(), feedKey, 'other')],
  ['of another issuer', 'feed-issuer', () => sign({ ...teller.message(), iss: 'https://other' })],
  [
    'of a kind of fact that nobody knows',
    'feed-malformed',
    () => sign(teller.append({ ...fact('a'), kind: 'planet' as 'node' })),
  ],
  ['that is a token', 'token-type', async () => 'eyJhbGciOiJFUzI1NiIsInR5cCI6ImF0K2p3dCJ9.e30.AA'],
  ['that is no JWS', 'token-malformed', async () => 'hello'],
  ['that is too large', 'token-too-large', async () => 'x'.repeat(70_000)],
])(
  'a message %s ends the stream, changes nothing, and another one is opened',
  async (_, reason, text) => {
    await tell(teller.page(1, 1))
    await eventually(() => feed.fresh())
    const { head } = teller
    say(`data: ${await text()}\n\n`)
    await eventually(() => troubles.length > 0)
    expect(troubles).toEqual([reason])
    expect(feed.size).toBe(0)
    teller.head = head
    await reconnected()
    expect(requests[1]?.lastEventId).toBe(`log.${head.number}`)
    await tell(teller.hello())
    await eventually(() => feed.fresh())
  },
)

test('a line without an end is not waited for', async () => {
  say('x'.repeat(140_000))
  await eventually(() => troubles.length > 0)
  expect(troubles).toEqual(['feed-line'])
})

test('a message comes whole, however it was cut on the way', async () => {
  const text = `: note\nevent: feed\ndata: ${await sign(teller.page(1, 1))}\n\n`
  for (const char of text) say(char)
  await eventually(() => feed.fresh())
})

test('a stream that falls silent, and one that ends, is opened anew where it stood', async () => {
  await tell(teller.page(1, 1, teller.append(fact('a')).facts))
  await eventually(() => feed.fresh())
  await clock.advance(2001)
  await eventually(() => troubles.length === 1)
  await reconnected()
  await tell(teller.hello())
  await eventually(() => feed.fresh())
  say(undefined)
  await eventually(() => troubles.length === 2)
  await reconnected()
  expect(troubles).toEqual(['feed-silent', 'feed-ended'])
  expect(requests.map(({ lastEventId }) => lastEventId)).toEqual([
    undefined,
    ...[1, 2].map(() => `log.${teller.head.number}`),
  ])
  expect(new Set(requests.map(({ nonce }) => nonce)).size).toBe(3)
})

test('one that ends after its first word is opened anew ever more seldom', async () => {
  const began = clock.monotonicMs()
  while (clock.monotonicMs() - began < 10_000) {
    const before = requests.length
    await tell(teller.page(1, 1))
    await eventually(() => feed.fresh())
    say(undefined)
    await eventually(async () => {
      await clock.advance(50)
      return requests.length > before
    })
  }
  expect(requests.length).toBeLessThan(25)
})

test('facts that have ended are forgotten as the feed goes on', async () => {
  const ended = { ...fact('a'), endsAt: clock.now().getTime() / 1000 + 60 }
  await tell(teller.page(1, 1, teller.append(ended, fact('b')).facts))
  await eventually(() => feed.size === 2)
  for (let second = 0; second < 130; second += 1) {
    teller.now += 1000
    await clock.advance(1000)
    await tell(teller.message())
    await eventually(() => feed.fresh())
  }
  expect([feed.size, troubles]).toEqual([1, []])
})

test('T20 what a clock that was ahead has ended is asked for again once that is set back, and nothing is fresh until it is there', async () => {
  const revoked = { ...fact('a'), endsAt: clock.now().getTime() / 1000 + 3600 }
  const { facts } = teller.append(revoked)
  await tell(teller.page(1, 1, facts))
  await eventually(() => feed.fresh())
  clock.jump(2 * 3_600_000)
  teller.now += 100
  await tell(teller.message())
  await eventually(() => feed.size === 0)
  expect(feed.fresh()).toBe(true)
  clock.jump(-2 * 3_600_000)
  expect(feed.fresh()).toBe(false)
  teller.now += 100
  await tell(teller.message())
  await eventually(() => troubles.includes('feed-clock'))
  expect(feed.fresh()).toBe(false)
  await reconnected()
  expect(requests[1]?.lastEventId).toBeUndefined()
  await tell(teller.page(1, 1, facts))
  await eventually(() => feed.fresh())
  expect(feed.find('spiffe-id', 'a')).toMatchObject({ id: 'a' })
})

test('one who throws as he is told of facts, or of trouble, keeps nobody else from hearing, nor the feed from going on', async () => {
  const warned = vi.spyOn(process, 'emitWarning').mockReturnValue()
  onTestFinished(() => warned.mockRestore())
  const mishap = new TypeError('a bug of whoever listens')
  const fail = (): never => {
    throw mishap
  }
  let heard = 0
  feed.onFacts(fail)
  feed.onFacts(() => {
    heard += 1
  })
  await tell(teller.page(1, 1, teller.append(fact('a')).facts))
  await eventually(() => heard === 1)
  expect(troubles).toEqual([])
  troubles.push = fail
  say(undefined)
  await reconnected()
  expect(warned.mock.calls).toEqual([[mishap], [mishap]])
})

test('a gap makes it stale at once, and it asks for a snapshot', async () => {
  await tell(teller.page(1, 1))
  await eventually(() => feed.fresh())
  const withheld = teller.append(fact('withheld'))
  await tell(teller.message())
  await eventually(() => troubles.includes('feed-gap'))
  expect(feed.fresh()).toBe(false)
  await reconnected()
  expect(requests[1]?.lastEventId).toBeUndefined()
  await tell(teller.page(1, 1, withheld.facts))
  await eventually(() => feed.fresh())
  expect(feed.size).toBe(1)
})

test('T20 a feed of a server whose clock stood still is late for good, and is opened anew after five seconds', async () => {
  await tell(teller.page(1, 1))
  await eventually(() => feed.fresh())
  // Its machine slept for a second: it tells all there is, and dates it back.
  teller.now -= 1000
  for (let told = 0; told < 7; told += 1) {
    await clock.advance(1000)
    // One more, so that what was told is another age than what would be there without it.
    teller.now += 1001
    await tell(teller.message())
    await eventually(() => feed.ageMs() === 999 - told || troubles.length > 0)
    expect(feed.fresh()).toBe(false)
  }
  await eventually(() => troubles.length > 0)
  expect(troubles).toEqual(['feed-late'])
  await reconnected()
  await tell(teller.hello())
  await eventually(() => feed.fresh())
})
