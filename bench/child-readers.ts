// Readers of the feed in one process, each with a connection, a chain and a state of its own. They are light in one
// thing: a message that came to several is verified once. Each line is the id of a transaction; the answer, once every
// reader knows it to be revoked, is when each of them did, in milliseconds since 1970.
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { keysAt } from '../src/resource-server/jwks.ts'
import { eventsOf } from '../src/revocation/event-stream.ts'
import { type FeedMessage, readFeedMessage } from '../src/revocation/feed-message.ts'
import { FollowedState } from '../src/revocation/followed-state.ts'
import { feedAt } from '../src/revocation/https-feed.ts'
import { systemClock } from '../src/runtime/clock.ts'
import { argument, onLine, say } from './support/child.ts'

interface Argument {
  readonly issuer: string
  readonly url: string
  readonly ca: string
  readonly keys: string
  readonly count: number
  readonly reader: { readonly id: string; readonly cert: string; readonly key: string }
}

const { issuer, url, ca, keys, count, reader } = argument<Argument>()
const tls = { ca: readFileSync(ca), cert: reader.cert, key: reader.key }
const keyOf = keysAt(async () => keys, systemClock)
const { open } = feedAt({ url, clientId: reader.id, tls: () => tls })

let told = ''
let verified: Promise<FeedMessage> | undefined
function verify(event: string): Promise<FeedMessage> {
  if (event !== told || verified === undefined) {
    told = event
    verified = readFeedMessage(event, { issuer, keyOf })
  }
  return verified
}

let ready = 0
let awaited = ''
let times: number[] = []
const now = (): number => performance.timeOrigin + performance.now()

async function follow(at: number): Promise<void> {
  const state = new FollowedState()
  const nonce = `reader-of-the-bench-${at}`
  state.begin({ nonce, sentAtMs: systemClock.monotonicMs() })
  const { signal } = new AbortController()
  const chunks = await open({ nonce, lastEventId: undefined, sent() {} }, signal)
  let knew = ''
  for await (const event of eventsOf(chunks)) {
    const isNew = state.lastEventId === undefined
    state.take(await verify(event), systemClock.monotonicMs())
    // A snapshot may have several pages.
    if (isNew && state.lastEventId !== undefined) ready += 1
    if (awaited === knew || state.facts.judge({ txn: awaited }) === undefined) continue
    knew = awaited
    times.push(now())
    if (times.length === count) say({ times })
  }
  throw new Error('the feed has ended')
}

for (let at = 0; at < count; at += 1) {
  void follow(at)
  // Not a thousand handshakes at once, of which the server would drop those that wait for longest.
  while (at % 20 === 19 && ready <= at) await sleep(5)
}
while (ready < count) await sleep(20)
say({ readers: ready })
onLine((txn) => {
  times = []
  awaited = txn
})
