import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { Cache } from '../../../../agent/cache/cache.ts'
import { follow } from '../../../../agent/sync/follow.ts'
import { type PollCalls, pollChanges } from '../../../../agent/sync/poll.ts'
import type { EntryStream } from '../../../../agent/sync/poll-entries.ts'
import type { ChangeSource } from '../../../../agent/sync/source.ts'
import type { Bundle } from '../../../../src/bundle/bundle.ts'
import type { Entry } from '../../../../src/entry/entry.ts'
import { CountersignError } from '../../../../src/errors.ts'
import { bundleToWire, entryToWire, secondsOf } from '../../../../src/rpc/convert.ts'
import type { SyncAuthorizedEntriesResponse } from '../../../../src/rpc/gen/spire/api/server/entry/v1/SyncAuthorizedEntriesResponse.ts'
import { silentLog } from '../../../../src/runtime/log.ts'
import { TrustDomain } from '../../../../src/spiffe-id/spiffe-id.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'
import type { CertificateAuthority } from '../../../../src/x509/issue.ts'
import { bundleWith, entryOf, makeCa, settle, trustDomain } from '../cache/fixture.ts'

const partner = TrustDomain.parse('partner.test')
const web = entryOf('/web', ['unix:uid:1000'], { id: 'web' })
const db = entryOf('/db', ['unix:uid:1000'], { id: 'db', federatesWith: [partner] })

let ca: CertificateAuthority
let clock: FakeClock
let cache: Cache
let server: PolledServer

beforeAll(async () => {
  ca = await makeCa()
})

beforeEach(() => {
  clock = new FakeClock()
  cache = new Cache({ trustDomain, clock })
  server = new PolledServer()
})

/** Answers as SPIRE's server does, with pages of two. */
class PolledServer implements PollCalls {
  entries: readonly Entry[] = [web]
  readonly bundles = new Map<TrustDomain, Bundle>([[trustDomain, bundleWith([{ ca }])]])
  hasSync = true
  failure: CountersignError | undefined
  polls = 0
  /** What each poll asked for by id. */
  readonly asked: (readonly string[])[] = []

  syncEntries(signal: AbortSignal): EntryStream {
    signal.throwIfAborted()
    const requests: (readonly string[])[] = []
    const { asked } = this
    return {
      send({ ids = [] }) {
        requests.push(ids)
        if (requests.length > 1) asked.push(ids)
      },
      responses: this.#respond(requests),
    }
  }

  async *#respond(
    requests: (readonly string[])[],
  ): AsyncGenerator<SyncAuthorizedEntriesResponse, void, void> {
    if (this.failure !== undefined) throw this.failure
    if (!this.hasSync) throw new CountersignError('unimplemented', 'no', { reason: 'no' })
    this.polls += 1
    const { entries } = this
    if (entries.length <= 2) {
      yield { entry_revisions: [], entries: entries.map(entryToWire), more: false }
      return
    }
    for (let at = 0; at < entries.length; at += 2) {
      const entry_revisions = entries.slice(at, at + 2).map((entry) => ({
        id: entry.id,
        revision_number: String(entry.revision),
        created_at: secondsOf(entry.createdAt),
      }))
      yield { entry_revisions, entries: [], more: at + 2 < entries.length }
    }
    for (let at = 1; at < requests.length; at += 1) {
      const found = entries.filter(({ id }) => requests[at]?.includes(id))
      yield { entry_revisions: [], entries: found.map(entryToWire), more: false }
    }
  }

  async allEntries() {
    if (this.failure !== undefined) throw this.failure
    this.polls += 1
    return this.entries.map(entryToWire)
  }

  async ownBundle() {
    return this.federatedBundle(trustDomain)
  }

  async federatedBundle(name: TrustDomain) {
    const bundle = this.bundles.get(name)
    if (bundle === undefined) throw new CountersignError('not-found', 'none', { reason: 'none' })
    return bundleToWire(bundle)
  }
}

interface Seen {
  applied: number
  streamTries: number
  readonly lost: string[]
}

/** Follows with a server that has no stream, until `act` is through. */
async function during(act: (seen: Seen) => Promise<void>, stream?: ChangeSource): Promise<void> {
  const over = new AbortController()
  const connection = new AbortController().signal
  const seen: Seen = { applied: 0, streamTries: 0, lost: [] }
  const running = follow(
    {
      stream: (held, signal) => {
        seen.streamTries += 1
        return (stream ?? noStream)(held, signal)
      },
      poll: pollChanges({ trustDomain, calls: server, clock, log: silentLog, random: () => 0.5 }),
      connection: () => connection,
      cache,
      applied: () => {
        seen.applied += 1
      },
      lost: async (error) => {
        seen.lost.push(error.reason)
        return 0
      },
      clock,
      log: silentLog,
      random: () => 1,
    },
    over.signal,
  ).catch((error) => {
    if (!over.signal.aborted) throw error
  })
  try {
    await settle()
    await act(seen)
  } finally {
    over.abort(new Error('over'))
    await running
  }
  expect(clock.sleeping).toBe(0)
}

// biome-ignore lint/correctness/useYield: it fails at once
const noStream: ChangeSource = async function* () {
  throw new CountersignError('unimplemented', 'unknown service', { reason: 'rpc-unimplemented' })
}

const ids = (): string[] => [...cache.snapshot.entries.keys()].sort()

describe('a server without a stream', () => {
  test('is polled every 5 s, and what is no longer there is gone', async () => {
    await during(async (seen) => {
      expect(ids()).toEqual(['web'])
      expect(cache.bundleOf(trustDomain)?.x509Authorities).toHaveLength(1)
      server.entries = [db]
      await clock.advance(4999)
      expect(ids()).toEqual(['web'])
      await clock.advance(1)
      expect(ids()).toEqual(['db'])
      expect(seen).toMatchObject({ applied: 2, lost: [] })
    })
  })

  test('that says the same again wakes nobody', async () => {
    await during(async (seen) => {
      let woken = 0
      const ignore = cache.listen(() => {
        woken += 1
      })
      await clock.advance(20_000)
      ignore()
      expect(seen.applied).toBe(5)
      expect(woken).toBe(0)
    })
  })

  test('is asked for a stream again once a minute', async () => {
    await during(async (seen) => {
      await clock.advance(59_000)
      expect(seen.streamTries).toBe(1)
      await clock.advance(1000)
      expect(seen.streamTries).toBe(2)
      expect(ids()).toEqual(['web'])
      expect(seen.lost).toEqual([])
    })
  })

  test('that has a stream from now on is followed by it, beginning with a snapshot', async () => {
    const began: string[] = []
    let has = false
    const stream: ChangeSource = async function* (held, signal) {
      if (!has) yield* noStream(held, signal)
      began.push(held().logId)
      yield {
        logId: 'log',
        position: 7,
        snapshot: true,
        entries: [db],
        removedEntryIds: [],
        bundles: [bundleWith([{ ca }])],
        removedTrustDomains: [],
        goodFrom: new Map(),
      }
      await clock.sleep(1_000_000, signal)
    }
    await during(async () => {
      has = true
      await clock.advance(60_000)
      expect(began).toEqual([''])
      expect(ids()).toEqual(['db'])
      const { polls } = server
      await clock.advance(60_000)
      expect(server.polls).toBe(polls)
    }, stream)
  })

  test('that lacks the synchronising call as well is asked for all entries', async () => {
    server.hasSync = false
    await during(async (seen) => {
      expect(ids()).toEqual(['web'])
      server.entries = []
      await clock.advance(5000)
      expect(ids()).toEqual([])
      expect(seen.lost).toEqual([])
    })
  })

  test('with many entries is asked only for those that changed, were made anew, or came', async () => {
    const many = ['a', 'b', 'c', 'd', 'e'].map((id) => entryOf(`/${id}`, ['unix:uid:1'], { id }))
    server.entries = many
    await during(async () => {
      expect(server.asked).toEqual([['a', 'b'], ['c', 'd'], ['e']])
      expect(ids()).toEqual(['a', 'b', 'c', 'd', 'e'])
      server.asked.length = 0
      await clock.advance(5000)
      expect(server.asked).toEqual([])
      const [a, b, c, d] = many as [Entry, Entry, Entry, Entry]
      server.entries = [
        a,
        { ...b, revision: b.revision + 1, hint: 'new' },
        { ...c, createdAt: new Date(c.createdAt.getTime() + 1000), hint: 'another' },
        { ...d, id: 'f' },
      ]
      await clock.advance(5000)
      expect(server.asked).toEqual([['b', 'c'], ['f']])
      expect(ids()).toEqual(['a', 'b', 'c', 'f'])
      expect(cache.snapshot.entries.get('b')?.hint).toBe('new')
      expect(cache.snapshot.entries.get('c')?.hint).toBe('another')
    })
  })

  test('revisions say nothing of entries that came by the stream of another server', async () => {
    const many = ['a', 'b', 'c'].map((id) => entryOf(`/${id}`, ['unix:uid:1'], { id }))
    server.entries = many
    await cache.apply({
      logId: 'other',
      position: 3,
      snapshot: true,
      entries: many.map((entry) => ({ ...entry, hint: 'of the other' })),
      removedEntryIds: [],
      bundles: [bundleWith([{ ca }])],
      removedTrustDomains: [],
      goodFrom: new Map(),
    })
    await during(async () => {
      expect(server.asked.flat()).toEqual(['a', 'b', 'c'])
      expect(cache.snapshot.entries.get('a')?.hint).toBe('')
    })
  })

  test('gives the bundles that entries ask for, and no more once it has none', async () => {
    server.entries = [db]
    server.bundles.set(partner, { ...bundleWith([{ ca }]), trustDomain: partner })
    await during(async (seen) => {
      expect(cache.bundleOf(partner)?.x509Authorities).toHaveLength(1)
      server.bundles.delete(partner)
      await clock.advance(5000)
      expect(cache.bundleOf(partner)).toBeUndefined()
      expect(seen.lost).toEqual([])
    })
  })

  test('cannot pass one trust domain off as another, nor take away the own bundle', async () => {
    server.entries = [db]
    // Under the name of the partner comes the own bundle, with an authority of somebody else.
    const forged = await makeCa()
    server.bundles.set(partner, bundleWith([{ ca: forged }]))
    await during(async (seen) => {
      expect(cache.bundleOf(partner)).toBeUndefined()
      const own = cache.bundleOf(trustDomain)
      server.bundles.set(trustDomain, bundleWith([]))
      await clock.advance(5000)
      expect(seen.lost).toContain('sync-bundle')
      expect(cache.bundleOf(trustDomain)).toEqual(own)
      expect(ids()).toEqual(['db'])
    })
  })

  test('that is gone is tried again with growing waits, and then polled on', async () => {
    await during(async (seen) => {
      server.failure = new CountersignError('forbidden', 'banned', { reason: 'agent-banned' })
      await clock.advance(20_000)
      expect(seen.lost.length).toBeGreaterThan(4)
      expect(seen.lost.length).toBeLessThan(15)
      expect(new Set(seen.lost)).toEqual(new Set(['agent-banned']))
      server.failure = undefined
      server.entries = [db]
      await clock.advance(3000)
      expect(ids()).toEqual(['db'])
    })
  })
})
