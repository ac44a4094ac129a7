import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { Cache } from '../../../../agent/cache/cache.ts'
import { type FollowDeps, follow } from '../../../../agent/sync/follow.ts'
import type { ChangeSource } from '../../../../agent/sync/source.ts'
import { type StreamDeps, type SyncStream, streamChanges } from '../../../../agent/sync/stream.ts'
import { CountersignError } from '../../../../src/errors.ts'
import { bundleToWire, entryToWire } from '../../../../src/rpc/convert.ts'
import type { FollowRequest$Input } from '../../../../src/rpc/gen/countersign/sync/v1/FollowRequest.ts'
import type { Update } from '../../../../src/rpc/gen/countersign/sync/v1/Update.ts'
import { type Log, silentLog } from '../../../../src/runtime/log.ts'
import { SpiffeId } from '../../../../src/spiffe-id/spiffe-id.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'
import type { CertificateAuthority } from '../../../../src/x509/issue.ts'
import { bundleWith, entryOf, makeCa, selectorsOf, settle, trustDomain } from '../cache/fixture.ts'

let ca: CertificateAuthority
let clock: FakeClock
let cache: Cache
let server: FakeServer
const web = entryOf('/web', ['unix:uid:1000'], { id: 'web' })
const db = entryOf('/db', ['unix:uid:1000'], { id: 'db' })

beforeAll(async () => {
  ca = await makeCa()
})

beforeEach(() => {
  clock = new FakeClock()
  cache = new Cache({ trustDomain, clock })
  server = new FakeServer()
})

/** A stream whose messages the test sends, and whose requests it sees. */
class FakeStream implements SyncStream {
  readonly requests: FollowRequest$Input[] = []
  readonly signal: AbortSignal
  readonly #messages: Update[] = []
  #failed: Error | undefined
  #wake = (): void => undefined

  constructor(signal: AbortSignal) {
    this.signal = signal
    signal.addEventListener('abort', () => this.fail(signal.reason))
  }

  send(request: FollowRequest$Input): void {
    this.requests.push(request)
  }

  give(update: Partial<Update>): void {
    this.#messages.push({
      log_id: 'log',
      position: '1',
      snapshot: false,
      more: false,
      entries: [],
      removed_entry_ids: [],
      bundles: [],
      removed_trust_domains: [],
      good_from: [],
      ...update,
    })
    this.#wake()
  }

  fail(error: Error): void {
    this.#failed ??= error
    this.#wake()
  }

  get responses(): AsyncIterable<Update> {
    return this.#read()
  }

  async *#read(): AsyncGenerator<Update> {
    for (;;) {
      const message = this.#messages.shift()
      if (message !== undefined) yield message
      else if (this.#failed !== undefined) throw this.#failed
      else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve
        })
      }
    }
  }
}

class FakeServer {
  readonly streams: FakeStream[] = []

  get last(): FakeStream {
    return this.streams.at(-1) as FakeStream
  }

  open(signal: AbortSignal): FakeStream {
    const stream = new FakeStream(signal)
    this.streams.push(stream)
    return stream
  }
}

const noPoll: ChangeSource = () => {
  throw new TypeError('nobody is to poll here')
}

interface Seen {
  applied: number
  readonly lost: string[]
}

async function during(
  act: (seen: Seen) => Promise<void>,
  extra: Partial<FollowDeps & StreamDeps> = {},
): Promise<void> {
  const over = new AbortController()
  const open = new AbortController().signal
  const seen: Seen = { applied: 0, lost: [] }
  const running = follow(
    {
      stream: streamChanges({
        instance: 'this-process',
        trustDomain,
        open: (signal) => server.open(signal),
        clock,
        log: silentLog,
        ...extra,
      }),
      poll: noPoll,
      connection: () => open,
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
      ...extra,
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

const snapshot = (): Partial<Update> => ({
  snapshot: true,
  entries: [entryToWire(web)],
  bundles: [bundleToWire(bundleWith([{ ca }]))],
})

const ids = (): string[] => [...cache.snapshot.entries.keys()].sort()

describe('a stream of changes', () => {
  test('begins with nothing, is applied and acknowledged', async () => {
    await during(async (seen) => {
      expect(server.last.requests).toEqual([{ log_id: '', applied: '0', instance: 'this-process' }])
      server.last.give({ ...snapshot(), position: '4' })
      await settle()
      expect(ids()).toEqual(['web'])
      expect(cache.bundleOf(trustDomain)?.x509Authorities).toHaveLength(1)
      expect(server.last.requests.at(-1)).toEqual({ log_id: 'log', applied: '4' })
      server.last.give({ position: '5', entries: [entryToWire(db)], removed_entry_ids: ['web'] })
      await settle()
      expect(ids()).toEqual(['db'])
      expect(seen.applied).toBe(2)
    })
  })

  test('a group is applied whole: nothing of it before its last message', async () => {
    await during(async (seen) => {
      server.last.give({ snapshot: true, more: true, entries: [entryToWire(web)] })
      await settle()
      expect(ids()).toEqual([])
      server.last.give({ snapshot: true, entries: [entryToWire(db)], position: '2' })
      await settle()
      expect(ids()).toEqual(['db', 'web'])
      expect(seen.applied).toBe(1)
    })
  })

  test('half a group is forgotten with its stream', async () => {
    await during(async () => {
      server.last.give({ snapshot: true, more: true, entries: [entryToWire(web)] })
      await settle()
      server.last.fail(new CountersignError('unavailable', 'gone', { reason: 'gone' }))
      await clock.advance(3000)
      server.last.give({ snapshot: true, entries: [entryToWire(db)] })
      await settle()
      expect(ids()).toEqual(['db'])
    })
  })

  test('is resumed at the last position that was applied', async () => {
    await during(async () => {
      server.last.give({ ...snapshot(), position: '9' })
      await settle()
      server.last.fail(new Error('reset'))
      await clock.advance(3000)
      expect(server.streams).toHaveLength(2)
      expect(server.last.requests).toEqual([
        { log_id: 'log', applied: '9', instance: 'this-process' },
      ])
    })
  })

  test('a sign of life is acknowledged and changes nothing', async () => {
    await during(async (seen) => {
      server.last.give({ ...snapshot(), position: '9' })
      await settle()
      const before = cache.snapshot
      server.last.give({ position: '9' })
      await settle()
      expect(cache.snapshot).toBe(before)
      expect(seen.applied).toBe(2)
    })
  })

  test('changes of another log, or from before, are not applied: the stream begins anew', async () => {
    await during(async (seen) => {
      server.last.give({ ...snapshot(), position: '9' })
      await settle()
      server.last.give({ log_id: 'other', position: '10', removed_entry_ids: ['web'] })
      await clock.advance(3000)
      server.last.give({ position: '8', removed_entry_ids: ['web'] })
      await clock.advance(3000)
      expect(ids()).toEqual(['web'])
      expect(seen.lost).toEqual(['sync-log', 'sync-log'])
    })
  })

  test('messages that do not belong together, and a log without a name, are refused', async () => {
    await during(async (seen) => {
      server.last.give({ snapshot: true, more: true })
      server.last.give({ snapshot: false })
      await clock.advance(3000)
      server.last.give({ ...snapshot(), log_id: '' })
      await clock.advance(3000)
      server.last.give({ ...snapshot(), position: '18446744073709551615' })
      await clock.advance(3000)
      expect(seen.lost).toEqual(['sync-group', 'sync-position', 'sync-position'])
      expect(ids()).toEqual([])
    })
  })

  test('an entry that cannot be used is left out, and takes nothing from the others', async () => {
    const warned: unknown[] = []
    const log: Log = { ...silentLog, warn: (_, fields) => void warned.push(fields) }
    const bad = { ...entryToWire(db), spiffe_id: { trust_domain: 'example.org', path: '/..' } }
    const foreign = entryOf('/x', ['unix:uid:1'], {
      id: 'x',
      spiffeId: SpiffeId.parse('spiffe://foreign.test/x'),
    })
    await during(
      async () => {
        server.last.give({
          ...snapshot(),
          entries: [entryToWire(web), bad, entryToWire(foreign)],
        })
        await settle()
        expect(ids()).toEqual(['web'])
        expect(warned).toHaveLength(2)
        // What it said before does not hold any more.
        const changed = { ...entryToWire(web), spiffe_id: null }
        server.last.give({ position: '2', entries: [changed] })
        await settle()
        expect(cache.current(selectorsOf('unix:uid:1000'))?.entries).toEqual([])
      },
      { log },
    )
  })
})

describe('when the server is gone', () => {
  test('F7 it is tried again with growing waits of at most 3 s', async () => {
    const tries: number[] = []
    await during(
      async () => {
        await clock.advance(30_000)
        const waits = tries.slice(1).map((at, before) => at - (tries[before] ?? 0))
        expect(Math.max(...waits)).toBe(3000)
        expect(waits.slice(0, 3)).toEqual([100, 200, 400])
        expect(tries.length).toBeLessThan(20)
      },
      {
        open: () => {
          tries.push(clock.monotonicMs())
          throw new CountersignError('unavailable', 'away', { reason: 'away' })
        },
      },
    )
  })

  test.for([
    [new Error('cut'), []],
    [
      new CountersignError('unavailable', 'cut', { reason: 'cut' }),
      ['the stream of changes was cut'],
    ],
  ] as const)(
    'F7 one that cuts each stream after its first word is lost once, and asked ever more seldom: %s',
    async ([cut, first]) => {
      const tries: number[] = []
      const said: string[] = []
      const say = (message: string): void => void said.push(message)
      let lasts = false
      await during(
        async () => {
          await clock.advance(30_000)
          expect(said).toEqual([...first, 'lost the server'])
          expect(tries.length).toBeLessThan(20)
          const waits = tries.slice(1).map((at, before) => at - (tries[before] ?? 0))
          expect(waits.at(-1)).toBe(3000)
          lasts = true
          await clock.advance(6000)
          expect(said).toHaveLength(first.length + 1)
          server.last.give({})
          await settle()
          expect(said.slice(first.length + 1)).toEqual(['the server is back'])
        },
        {
          open: (signal) => {
            tries.push(clock.monotonicMs())
            const stream = server.open(signal)
            server.last.give(snapshot())
            if (!lasts) queueMicrotask(() => server.last.fail(cut))
            return stream
          },
          log: { ...silentLog, warn: say, info: say },
        },
      )
    },
  )

  test('the waits are short again after a server was there', async () => {
    const tries: number[] = []
    await during(
      async () => {
        await clock.advance(30_000)
        tries.length = 0
        await clock.advance(3000)
        server.last.give(snapshot())
        await clock.advance(3000)
        server.last.fail(new CountersignError('unavailable', 'gone', { reason: 'gone' }))
        await settle()
        const begin = clock.monotonicMs()
        tries.length = 0
        await clock.advance(1000)
        expect(tries.map((at) => at - begin)).toEqual([100, 300, 700])
      },
      {
        open: (signal) => {
          tries.push(clock.monotonicMs())
          // There once, after half a minute of outage.
          if (clock.monotonicMs() >= 30_000 && server.streams.length === 0) {
            return server.open(signal)
          }
          throw new CountersignError('unavailable', 'away', { reason: 'away' })
        },
      },
    )
  })

  test.for(['stays away', 'is there again'])(
    'F7 a server that stops and %s is lost once, or not at all',
    async (then) => {
      const said: string[] = []
      const say =
        (level: string) => (message: string, fields?: Readonly<Record<string, unknown>>) => {
          const { error } = fields ?? {}
          said.push(`${level} ${message} ${error instanceof CountersignError ? error.reason : ''}`)
        }
      let isAway = false
      await during(
        async () => {
          server.last.give(snapshot())
          await settle()
          isAway = then === 'stays away'
          server.last.fail(
            new CountersignError('unavailable', 'stopping', { reason: 'server-stopping' }),
          )
          await settle()
          await clock.advance(30_000)
          if (!isAway) server.last.give(snapshot())
          await settle()
          expect(said).toEqual([
            'info the stream of changes was cut server-stopping',
            ...(isAway ? ['warn lost the server connection-refused'] : []),
          ])
        },
        {
          open: (signal) => {
            if (!isAway) return server.open(signal)
            throw new CountersignError('unavailable', 'away', { reason: 'connection-refused' })
          },
          log: { ...silentLog, warn: say('warn'), info: say('info') },
        },
      )
    },
  )

  test('F7 the log says so once, however often it is tried, and when it is back', async () => {
    const said: string[] = []
    const log: Log = {
      ...silentLog,
      warn: (message) => void said.push(message),
      info: (message) => void said.push(message),
    }
    let isAway = true
    await during(
      async () => {
        await clock.advance(30_000)
        expect(said).toEqual(['lost the server'])
        isAway = false
        await clock.advance(3000)
        server.last.give(snapshot())
        await settle()
        expect(said).toEqual(['lost the server', 'the server is back'])
      },
      {
        open: (signal) => {
          if (!isAway) return server.open(signal)
          throw new CountersignError('unavailable', 'away', { reason: 'away' })
        },
        log,
      },
    )
  })

  test('a server that has gone silent counts as gone', async () => {
    await during(async (seen) => {
      server.last.give(snapshot())
      await settle()
      await clock.advance(59_000)
      server.last.give({})
      await clock.advance(59_000)
      expect(server.streams).toHaveLength(1)
      await clock.advance(2000)
      expect(seen.lost).toEqual(['sync-silent'])
      expect(server.streams[0]?.signal.aborted).toBe(true)
      expect(server.streams).toHaveLength(2)
    })
  })

  test('who decides what a loss means may ask for a longer wait', async () => {
    await during(
      async () => {
        server.last.fail(new CountersignError('forbidden', 'banned', { reason: 'agent-banned' }))
        await clock.advance(9999)
        expect(server.streams).toHaveLength(1)
        await clock.advance(1)
        expect(server.streams).toHaveLength(2)
      },
      { lost: async () => 10_000 },
    )
  })

  test('a connection that is given up for another is followed at once, and nothing is lost', async () => {
    let connection = new AbortController()
    await during(
      async (seen) => {
        server.last.give(snapshot())
        await settle()
        const old = connection
        connection = new AbortController()
        old.abort()
        await settle()
        expect(server.streams).toHaveLength(2)
        expect(seen.lost).toEqual([])
      },
      { connection: () => connection.signal },
    )
  })
})
