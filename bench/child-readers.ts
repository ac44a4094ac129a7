// Readers of the feed in one process, each with a connection, a chain and a state of its own. They are light in one
// thing: a message that came to several is verified once. Each line is the id of a transaction; the answer, once every
// reader knows it to be revoked, is when each of them did, in milliseconds since 1970.
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { CountersignError } from '../src/errors.ts'
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

const atATime = 20
/** So often in a row nobody is turned away but by a server that is gone. */
const mostTries = 30
const ready = new Set<number>()
/** What each of them was last awaited to know, and knew. */
const knew = new Map<number, string>()
let awaited = ''
let times: number[] = []
/** How many connections were cut, and made anew. */
let cut = 0
const now = (): number => performance.timeOrigin + performance.now()

/** A server cuts a handshake of more than 5 s, and a reader that is too slow; each begins anew then, as every client does. */
async function follow(at: number): Promise<void> {
  for (let tries = 0; ; tries += 1) {
    try {
      await read(at, () => {
        tries = 0
      })
    } catch (error) {
      if (!(error instanceof CountersignError) || tries === mostTries) throw error
    }
    cut += 1
    await sleep(500)
  }
}

/** Until the connection ends. */
async function read(at: number, opened: () => void): Promise<void> {
  const state = new FollowedState()
  const nonce = `reader-of-the-bench-${at}`
  state.begin({ nonce, sentAtMs: systemClock.monotonicMs() })
  const { signal } = new AbortController()
  const chunks = await open({ nonce, lastEventId: undefined, sent() {} }, signal)
  for await (const event of eventsOf(chunks)) {
    state.take(await verify(event), systemClock.monotonicMs())
    // A snapshot may have several pages.
    if (state.lastEventId === undefined) continue
    opened()
    ready.add(at)
    if (awaited === knew.get(at) || state.facts.judge({ txn: awaited }) === undefined) continue
    knew.set(at, awaited)
    times.push(now())
    if (times.length === count) say({ times, cut })
  }
}

for (let at = 0; at < count; at += 1) {
  void follow(at)
  // Not a thousand handshakes at once, of which the server would drop those that wait for longest.
  while (at % atATime === atATime - 1 && ready.size <= at) await sleep(5)
}
while (ready.size < count) await sleep(20)
say({ readers: ready.size })
onLine((txn) => {
  times = []
  awaited = txn
})
