import { beforeEach, expect, test } from 'vitest'
import { Cache } from '../../../../agent/cache/cache.ts'
import { withdrawExpired } from '../../../../agent/sync/withdraw.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'
import {
  bundleWith,
  changeOf,
  entryOf,
  heldFor,
  makeCa,
  selectorsOf,
  settle,
  start,
  trustDomain,
  watch,
} from '../cache/fixture.ts'

let clock: FakeClock
let cache: Cache

beforeEach(() => {
  clock = new FakeClock()
  cache = new Cache({ trustDomain, clock })
})

async function during(act: () => Promise<void>): Promise<void> {
  const over = new AbortController()
  const running = withdrawExpired({ cache, clock }, over.signal).catch((error) => {
    if (!over.signal.aborted) throw error
  })
  try {
    await act()
  } finally {
    over.abort()
    await running
  }
}

test('an entry is taken away when it expires, from streams and from calls', async () => {
  const ca = await makeCa()
  const brief = entryOf('/brief', ['unix:uid:1'], {
    id: 'brief',
    expiresAt: new Date(start.getTime() + 7300),
  })
  const change = { snapshot: true, entries: [brief], bundles: [bundleWith([{ ca }])] }
  await cache.apply(changeOf(change))
  cache.put(new Map([['brief', await heldFor(brief, ca, clock)]]))
  const { updates } = watch(cache, selectorsOf('unix:uid:1'))
  const entriesNow = (): number | undefined =>
    cache.current(selectorsOf('unix:uid:1', 'unix:gid:1'))?.entries.length
  await during(async () => {
    await clock.advance(7200)
    await settle()
    expect(updates.at(-1)?.entries).toHaveLength(1)
    expect(entriesNow()).toBe(1)
    await clock.advance(150)
    await settle()
    expect(updates.at(-1)?.entries).toEqual([])
    expect(entriesNow()).toBe(0)
  })
})

test('an SVID is taken away when it expires, without a server', async () => {
  const ca = await makeCa()
  const web = entryOf('/web', ['unix:uid:1'], { id: 'web' })
  await cache.apply(changeOf({ snapshot: true, entries: [web], bundles: [bundleWith([{ ca }])] }))
  const held = await heldFor(web, ca, clock)
  cache.put(new Map([['web', held]]))
  watch(cache, selectorsOf('unix:uid:1'))
  await during(async () => {
    await clock.advance(held.expiresAtMs - clock.monotonicMs() - 100)
    await settle()
    expect(cache.snapshot.svids.size).toBe(1)
    await clock.advance(150)
    await settle()
    expect(cache.snapshot.svids.size).toBe(0)
  })
})
