import { beforeAll, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { Cache } from '../../../../agent/cache/cache.ts'
import { TrustDomain } from '../../../../src/spiffe-id/spiffe-id.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'
import type { CertificateAuthority } from '../../../../src/x509/issue.ts'
import {
  bundleWith,
  changeOf,
  entryOf,
  heldFor,
  hourMs,
  makeCa,
  pathsOf,
  selectorsOf,
  settle,
  sign,
  start,
  trustDomain,
  watch,
} from './fixture.ts'

let ca: CertificateAuthority
let clock: FakeClock
let cache: Cache
const uid = selectorsOf('unix:uid:1000', 'unix:gid:1000')

beforeAll(async () => {
  ca = await makeCa()
})

beforeEach(() => {
  clock = new FakeClock()
  cache = new Cache({ trustDomain, clock, maxX509Svids: 5 })
})

const own = () => bundleWith([{ ca }])
const web = entryOf('/web', ['unix:uid:1000'], { id: 'web' })
const db = entryOf('/db', ['unix:gid:1000'], { id: 'db', createdAt: new Date(start.getTime() + 1) })
const other = entryOf('/other', ['unix:uid:1'], { id: 'other' })

describe('the first message', () => {
  test('WLA-08 comes at once where all SVIDs are there', async () => {
    await cache.apply(changeOf({ snapshot: true, entries: [web, other], bundles: [own()] }))
    await sign(cache, clock, ca, [web, other])
    const stream = watch(cache, uid)
    await settle()
    expect(stream.updates.map(pathsOf)).toEqual([['/web']])
    stream.stop()
  })

  test('waits until all SVIDs are there, and asks for them before all others', async () => {
    await cache.apply(changeOf({ snapshot: true, entries: [other, web, db], bundles: [own()] }))
    await sign(cache, clock, ca, [web])
    const stream = watch(cache, uid)
    await settle()
    expect(stream.updates).toEqual([])
    const urgent = cache.wanted().slice(0, 2)
    expect(urgent.map(({ id }) => id).sort()).toEqual(['db', 'web'])
    await sign(cache, clock, ca, [db])
    await settle()
    expect(stream.updates.map(pathsOf)).toEqual([['/web', '/db']])
    stream.stop()
  })

  test('comes without the SVIDs that stay away, after a bounded wait', async () => {
    await cache.apply(changeOf({ snapshot: true, entries: [web, db], bundles: [own()] }))
    await sign(cache, clock, ca, [web])
    const stream = watch(cache, uid)
    await clock.advance(4999)
    expect(stream.updates).toEqual([])
    await clock.advance(1)
    expect(stream.updates.map(pathsOf)).toEqual([['/web']])
    expect(stream.last?.entries).toEqual([web, db])
    stream.stop()
    expect(clock.sleeping).toBe(0)
  })

  test('has empty lists where nothing matches, and none before there is a bundle', async () => {
    const stream = watch(cache, uid)
    await settle()
    expect(stream.updates).toEqual([])
    expect(cache.current(uid)).toBeUndefined()
    await cache.apply(changeOf({ snapshot: true, bundles: [own()] }))
    await settle()
    expect(stream.updates.map(({ identities, entries }) => [identities, entries])).toEqual([
      [[], []],
    ])
    stream.stop()
  })

  test('a stream that serves bundles alone neither waits for SVIDs nor asks for them', async () => {
    const onDemand = { ...web, disableX509SvidPrefetch: true }
    await cache.apply(changeOf({ snapshot: true, entries: [onDemand], bundles: [own()] }))
    const stream = watch(cache, uid, 'bundles')
    await settle()
    expect(stream.updates).toHaveLength(1)
    expect(cache.wanted()).toEqual([])
    stream.stop()
  })
})

describe('what wakes a stream', () => {
  beforeEach(async () => {
    await cache.apply(changeOf({ snapshot: true, entries: [web, other], bundles: [own()] }))
    await sign(cache, clock, ca, [web, other])
  })

  test('WLA-09 what concerns others does not', async () => {
    const stream = watch(cache, uid)
    await settle()
    await sign(cache, clock, ca, [other])
    await cache.apply(changeOf({ position: 2, entries: [{ ...other, revision: 1, hint: 'x' }] }))
    await cache.apply(changeOf({ position: 3, removedEntryIds: ['other'] }))
    await settle()
    expect(stream.updates).toHaveLength(1)
    stream.stop()
  })

  test('what a certificate does not show does not', async () => {
    const stream = watch(cache, uid)
    await settle()
    await cache.apply(changeOf({ position: 2, entries: [{ ...web, revision: 1, owner: 'me' }] }))
    await settle()
    expect(stream.updates).toHaveLength(1)
    expect(cache.current(uid)?.entries[0]?.owner).toBe('me')
    stream.stop()
  })

  test('a snapshot that says the same as before does not', async () => {
    const stream = watch(cache, uid)
    await settle()
    const before = cache.snapshot
    const same = { ...web, selectors: [...web.selectors] }
    await cache.apply(
      changeOf({
        logId: 'new',
        position: 9,
        snapshot: true,
        entries: [same, other],
        bundles: [own()],
      }),
    )
    await settle()
    expect(stream.updates).toHaveLength(1)
    expect(cache.snapshot.entries).toBe(before.entries)
    expect(cache.snapshot.svids).toBe(before.svids)
    expect(cache.snapshot).toMatchObject({ logId: 'new', position: 9 })
    stream.stop()
  })

  test('a renewed SVID does, with everything in the message', async () => {
    const stream = watch(cache, uid)
    await settle()
    await sign(cache, clock, ca, [web])
    await settle()
    expect(stream.updates.map(pathsOf)).toEqual([['/web'], ['/web']])
    expect(stream.updates[0]?.identities[0]?.svid).not.toBe(stream.last?.identities[0]?.svid)
    stream.stop()
  })

  test('a new entry does once it has its SVID, in one message with its foreign bundle', async () => {
    const foreign = TrustDomain.parse('foreign.test')
    const bundle = bundleWith([{ ca }], { trustDomain: foreign })
    await cache.apply(changeOf({ position: 2, bundles: [bundle] }))
    const stream = watch(cache, uid)
    await settle()
    const more = { ...db, federatesWith: [foreign] }
    await cache.apply(changeOf({ position: 3, entries: [more] }))
    await settle()
    expect(stream.updates).toHaveLength(1)
    await sign(cache, clock, ca, [more])
    await settle()
    expect(stream.updates.map(pathsOf)).toEqual([['/web'], ['/web', '/db']])
    expect(stream.last?.federated.get(foreign)).toBe(bundle)
    await cache.apply(changeOf({ position: 4, removedTrustDomains: [foreign] }))
    await settle()
    expect(stream.last?.federated.size).toBe(0)
    stream.stop()
  })

  test('T26 a deleted entry does at once, also while another still waits for its SVID', async () => {
    const stream = watch(cache, uid)
    await settle()
    await cache.apply(changeOf({ position: 2, entries: [db], removedEntryIds: ['web'] }))
    await settle()
    expect(stream.last?.identities).toEqual([])
    stream.stop()
  })

  test('an entry that stands for another ID loses the SVID of the old one at once', async () => {
    const stream = watch(cache, uid)
    await settle()
    await cache.apply(
      changeOf({ position: 2, entries: [{ ...web, revision: 1, spiffeId: other.spiffeId }] }),
    )
    await settle()
    expect(stream.last?.identities).toEqual([])
    // The answer to a request of before is of no use any more.
    cache.put(new Map([['web', await heldFor(web, ca, clock)]]))
    expect(cache.snapshot.svids.has('web')).toBe(false)
    stream.stop()
  })

  test('a changed bundle does, the own one of all', async () => {
    const stream = watch(cache, uid)
    await settle()
    await cache.apply(
      changeOf({ position: 2, bundles: [bundleWith([{ ca }, { ca: await makeCa() }])] }),
    )
    await settle()
    expect(stream.last?.bundle.x509Authorities).toHaveLength(2)
    stream.stop()
  })

  test('an SVID that expires and an entry that expires do', async () => {
    const brief = { ...web, revision: 1, expiresAt: new Date(start.getTime() + hourMs / 2) }
    await cache.apply(changeOf({ position: 2, entries: [brief] }))
    const stream = watch(cache, uid)
    await settle()
    expect(pathsOf(stream.last)).toEqual(['/web'])
    await clock.advance(hourMs / 2)
    cache.settle()
    await settle()
    expect(stream.last?.entries).toEqual([])
    const others = watch(cache, selectorsOf('unix:uid:1'))
    await settle()
    expect(pathsOf(others.last)).toEqual(['/other'])
    await clock.advance(hourMs / 2)
    cache.settle()
    await settle()
    expect(others.last?.identities).toEqual([])
    stream.stop()
    others.stop()
  })

  test('a ban withdraws every identity', async () => {
    const stream = watch(cache, uid)
    await settle()
    cache.clear()
    await settle()
    expect(stream.last?.entries).toEqual([])
    expect(cache.snapshot).toMatchObject({ logId: '', position: 0 })
    expect(cache.bundleOf(trustDomain)).toBeDefined()
    stream.stop()
  })
})

describe('what was signed', () => {
  test('is taken where it still fits, and left out where its entry is gone or has another ID', async () => {
    const gone = entryOf('/gone', ['unix:uid:1000'], { id: 'gone' })
    await cache.apply(changeOf({ snapshot: true, entries: [web, db, gone], bundles: [own()] }))
    const signed = new Map(
      await Promise.all(
        [web, db, gone].map(async (entry) => [entry.id, await heldFor(entry, ca, clock)] as const),
      ),
    )
    const renamed = { ...db, revision: 1, spiffeId: other.spiffeId }
    await cache.apply(changeOf({ position: 2, entries: [renamed], removedEntryIds: ['gone'] }))
    cache.put(signed)
    expect([...cache.snapshot.svids.keys()]).toEqual(['web'])
    expect(pathsOf(cache.current(uid))).toEqual(['/web'])
  })

  test('WLA-07 comes with the full state each time, also to a stream that joins others', async () => {
    await cache.apply(changeOf({ snapshot: true, entries: [web, db], bundles: [own()] }))
    await sign(cache, clock, ca, [web, db])
    const first = watch(cache, uid)
    await settle()
    await sign(cache, clock, ca, [db])
    const second = watch(cache, uid)
    await settle()
    expect(first.updates.map(pathsOf)).toEqual([
      ['/web', '/db'],
      ['/web', '/db'],
    ])
    expect(second.updates).toEqual([first.last])
    first.stop()
    second.stop()
  })

  test('for an entry that has expired is not served, also to who asks for the first time', async () => {
    const brief = { ...web, expiresAt: new Date(start.getTime() + 1000) }
    await cache.apply(changeOf({ snapshot: true, entries: [brief], bundles: [own()] }))
    await sign(cache, clock, ca, [brief])
    await clock.advance(999)
    expect(pathsOf(cache.current(uid))).toEqual(['/web'])
    await clock.advance(1)
    cache.settle()
    expect(cache.current(uid)?.entries).toEqual([])
    const late = watch(cache, uid)
    await settle()
    expect(late.updates.map(({ entries, identities }) => [entries, identities])).toEqual([[[], []]])
    late.stop()
  })
})

describe('many streams', () => {
  test('of workloads with the same selectors share one update, in whatever order they are given', async () => {
    await cache.apply(changeOf({ snapshot: true, entries: [web], bundles: [own()] }))
    await sign(cache, clock, ca, [web])
    const streams = Array.from({ length: 200 }, (_, at) =>
      watch(cache, at % 2 === 0 ? uid : uid.toReversed()),
    )
    await settle()
    expect(cache.load).toEqual({ readers: 200, groups: 1 })
    expect(new Set(streams.map(({ last }) => last)).size).toBe(1)
    await sign(cache, clock, ca, [web])
    await settle()
    expect(new Set(streams.map(({ last }) => last)).size).toBe(1)
    expect(streams.every(({ updates }) => updates.length === 2)).toBe(true)
    for (const stream of streams) stream.stop()
    expect(cache.load).toEqual({ readers: 0, groups: 0 })
    expect(clock.sleeping).toBe(0)
  })

  test('selectors that look alike when joined are different sets', async () => {
    await cache.apply(changeOf({ snapshot: true, entries: [web], bundles: [own()] }))
    const forged = [{ type: 'unix', value: 'path:/x\u00014:unix8:uid:1000' }]
    expect(cache.current(forged)?.entries).toEqual([])
    expect(cache.current(uid)?.entries).toEqual([web])
  })
})

describe('the order', () => {
  test('WLA-70 the oldest entry is the default identity, then the lower id', async () => {
    const late = entryOf('/late', ['unix:uid:1000'], { id: 'a', createdAt: new Date(9e12) })
    const twin = entryOf('/twin', ['unix:uid:1000'], { id: 'b' })
    await cache.apply(changeOf({ snapshot: true, entries: [late, web, twin], bundles: [own()] }))
    await sign(cache, clock, ca, [late, web, twin])
    expect(pathsOf(cache.current(uid))).toEqual(['/twin', '/web', '/late'])
  })

  test('WLA-25 a hint stands once: the older entry keeps it; empty hints never collapse', async () => {
    const young = { createdAt: new Date(9e12) }
    const entries = [
      entryOf('/one', ['unix:uid:1000'], { hint: 'x' }),
      entryOf('/two', ['unix:uid:1000'], { hint: 'x', ...young }),
      entryOf('/three', ['unix:uid:1000'], young),
      entryOf('/four', ['unix:uid:1000'], young),
    ]
    await cache.apply(changeOf({ snapshot: true, entries, bundles: [own()] }))
    await sign(cache, clock, ca, entries)
    const update = cache.current(uid)
    expect(pathsOf(update)?.sort()).toEqual(['/four', '/one', '/three'])
    expect(update?.entries).toHaveLength(4)
  })

  test('an entry whose SVID goes to a secret store is none of the Workload API', async () => {
    const stored = entryOf('/stored', ['unix:uid:1000'], { storeSvid: true })
    await cache.apply(changeOf({ snapshot: true, entries: [stored], bundles: [own()] }))
    expect(cache.current(uid)?.entries).toEqual([])
    expect(cache.wanted()).toEqual([])
  })
})

describe('which SVIDs are kept', () => {
  const many = Array.from({ length: 20 }, (_, at) => entryOf(`/n${at}`, [`unix:uid:${at}`]))

  test('at most so many are prefetched; those in use are kept beyond that', async () => {
    await cache.apply(changeOf({ snapshot: true, entries: many, bundles: [own()] }))
    expect(cache.wanted()).toHaveLength(5)
    const streams = many.slice(0, 8).map(({ selectors }) => watch(cache, selectors))
    await settle()
    expect(new Set(cache.wanted())).toEqual(new Set(many.slice(0, 8)))
    await sign(cache, clock, ca, many.slice(0, 8))
    cache.settle()
    expect(cache.snapshot.svids.size).toBe(8)
    // The ones let go of first are the first to go.
    for (const [at, stream] of streams.entries()) {
      await clock.advance(10)
      if (at < 8) stream.stop()
    }
    cache.settle()
    const kept = many.filter(({ id }) => cache.snapshot.svids.has(id))
    expect(kept).toEqual(many.slice(3, 8))
  })

  test('who comes for what is there, and goes, sets nothing off; who waits for an SVID or for an end does', async () => {
    const passing = entryOf('/passing', ['unix:gid:5'], { expiresAt: new Date(9e12) })
    const entries = [web, other, passing]
    await cache.apply(changeOf({ snapshot: true, entries, bundles: [own()] }))
    await sign(cache, clock, ca, [web, passing])
    const events: string[] = []
    cache.listen((event) => events.push(event))
    watch(cache, uid).stop()
    expect(events).toEqual([])
    const waiting = watch(cache, other.selectors)
    expect(events).toEqual(['wanted'])
    waiting.stop()
    const ending = watch(cache, passing.selectors)
    expect(events).toEqual(['wanted', 'wanted'])
    ending.stop()
    expect(events).toHaveLength(2)
  })

  test('an entry that forbids it is not prefetched, but had while a workload asks', async () => {
    const shy = entryOf('/shy', ['unix:uid:1000'], { disableX509SvidPrefetch: true })
    await cache.apply(changeOf({ snapshot: true, entries: [shy], bundles: [own()] }))
    expect(cache.wanted()).toEqual([])
    const stream = watch(cache, uid)
    await settle()
    expect(cache.wanted()).toEqual([shy])
    stream.stop()
    expect(cache.wanted()).toEqual([])
  })
})

describe('a large change', () => {
  const count = 3000
  const selectors = (at: number) => selectorsOf(`unix:uid:${at}`, 'unix:gid:5')
  const large = (name: string) =>
    Array.from({ length: count }, (_, at) =>
      entryOf(`/${name}/${at}`, [`unix:uid:${at}`, 'unix:gid:5'], { id: `entry-${at}` }),
    )
  const pathOf = (at: number) => pathsOf(cache.current(selectors(at)))?.[0]
  const entryPathOf = (at: number) => cache.current(selectors(at))?.entries[0]?.spiffeId

  /** How often it was asked for the time: as often as there may be a pause. */
  let pieces: number
  beforeEach(() => {
    pieces = 0
    class PieceClock extends FakeClock {
      override monotonicMs(): number {
        pieces += 1
        return pieces
      }
    }
    cache = new Cache({ trustDomain, clock: new PieceClock(), maxX509Svids: 5 })
  })

  /** Looks at the cache in each turn of the loop until the change is applied; how many turns that was. */
  async function turnsOf(applied: Promise<void>, look: () => void): Promise<number> {
    let turns = 0
    let over = false
    void applied
      .finally(() => {
        over = true
      })
      .catch(() => undefined)
    while (!over) {
      look()
      turns += 1
      await new Promise((resolve) => setImmediate(resolve))
    }
    await applied
    return turns
  }

  test('is prepared over many turns of the loop, and is there whole or not at all', async () => {
    const ids = new Set<string>()
    const look = (): void => {
      const said = [0, 1, count / 2, count - 1].map((at) => String(entryPathOf(at)).split('/')[3])
      ids.add(said.join())
    }
    const bundles = [own()]
    const first = cache.apply(changeOf({ snapshot: true, entries: large('a'), bundles }))
    expect(await turnsOf(first, look)).toBeGreaterThan(10)
    const shorter = large('b').slice(0, count - 1)
    const second = cache.apply(changeOf({ snapshot: true, position: 2, entries: shorter, bundles }))
    expect(await turnsOf(second, look)).toBeGreaterThan(10)
    look()
    expect([...ids]).toEqual([',,,', 'a,a,a,a', 'b,b,b,'])
    expect(cache.snapshot.entries.size).toBe(count - 1)
  })

  test('withdraws an SVID that came while it was prepared, and keeps the others', async () => {
    const bundles = [own()]
    const before = large('a')
    await cache.apply(changeOf({ snapshot: true, entries: before, bundles }))
    const next = [...large('b').slice(0, 2000), ...before.slice(2000)]
    const [changed, kept] = [before[7], before[2500]]
    if (changed === undefined || kept === undefined) throw new Error('no entry')
    // To sign may take longer than the change does.
    const signed = [changed, kept].map(
      async (entry) => [entry.id, await heldFor(entry, ca, clock)] as const,
    )
    const held = new Map(await Promise.all(signed))
    const applied = cache.apply(changeOf({ snapshot: true, position: 2, entries: next, bundles }))
    cache.put(held)
    expect([7, 2500].map(pathOf)).toEqual(['/a/7', '/a/2500'])
    await applied
    expect([7, 2500].map(pathOf)).toEqual([undefined, '/a/2500'])
  })

  test('brings nothing back that was withdrawn while it was prepared', async () => {
    const applied = cache.apply(changeOf({ snapshot: true, entries: large('a'), bundles: [own()] }))
    cache.clear()
    await expect(applied).rejects.toMatchObject({ code: 'conflict', reason: 'cache-replaced' })
    expect(cache.snapshot.entries.size).toBe(0)
    expect(cache.current(selectors(7))).toBeUndefined()
  })
})

test('F18 a change of one entry of 10,000 shares the rest', async () => {
  const entries = Array.from({ length: 10_000 }, (_, at) =>
    entryOf(`/n/${at}`, [`unix:uid:${at}`, 'unix:gid:5'], { id: `entry-${at}` }),
  )
  await cache.apply(changeOf({ snapshot: true, entries, bundles: [own()] }))
  const before = cache.snapshot
  const set = vi.spyOn(Map.prototype, 'set')
  onTestFinished(() => set.mockRestore())
  for (let at = 0; at < 200; at += 1) {
    const entry = entries[at * 7] as (typeof entries)[number]
    await cache.apply(changeOf({ position: at + 2, entries: [{ ...entry, revision: 1 }] }))
  }
  // Map's own constructor sets too: each change copies what stands beside its entry, which is some forty.
  expect(set.mock.calls.length / 200).toBeLessThan(200)
  set.mockRestore()
  expect(before.entries.get('entry-7')?.revision).toBe(0)
  expect(cache.snapshot.entries.get('entry-7')?.revision).toBe(1)
  expect(cache.snapshot.entries.size).toBe(10_000)
  expect(cache.current(selectorsOf('unix:uid:77', 'unix:gid:5'))?.entries).toHaveLength(1)
})
