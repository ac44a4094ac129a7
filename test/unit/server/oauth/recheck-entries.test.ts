import { expect, test } from 'vitest'
import type { ChangeBatch, Changes } from '../../../../server/changes/changes.ts'
import { runEntryRecheck } from '../../../../server/oauth/recheck-entries.ts'
import type { Store } from '../../../../server/store/store.ts'
import type { Entry } from '../../../../src/entry/entry.ts'
import { orders, startRecheck, web } from './recheck-world.ts'

const forProd = `@id("prod") permit (principal is Workload, action in Action::"getToken", resource)
  when { principal.hasTag("env") && principal.getTag("env") == "prod" };`

/** Of what it writes down the first `failures` fail. */
async function start(failures = 0) {
  const world = await startRecheck(forProd)
  const listeners = new Set<(batch: ChangeBatch) => void>()
  const changes: Pick<Changes, 'subscribe'> = {
    subscribe(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }
  const stopping = new AbortController()
  let failed = 0
  const store: Pick<Store, 'write'> = {
    async write(job) {
      if (failed === failures) return world.deps.store.write(job)
      failed += 1
      throw new Error('the store is away')
    },
  }
  const running = runEntryRecheck({ ...world.deps, store, changes }, stopping.signal)
  const put = (at: number, more: Partial<Entry>) => {
    const entry = { ...world.entries[at], ...more } as Entry
    world.entries[at] = entry
    for (const listener of listeners) {
      listener({ entries: new Map([[entry.id, entry]]) } as unknown as ChangeBatch)
    }
  }
  const stop = async () => {
    stopping.abort(new DOMException('stopped', 'AbortError'))
    await running.catch(() => {})
  }
  return { ...world, put, stop, failed: () => failed }
}

test('of an entry that lost a label the tokens are revoked, and then those that were under way; no others', async () => {
  const { add, token, facts, put, clock, stop } = await start()
  await add(token('a'), token('b', { clientId: orders, subject: orders, entryId: 'eers' }))
  put(0, { labels: { env: 'test' }, revision: 1 })
  await expect.poll(facts).toEqual(['transaction t-a'])
  await add(token('late'))
  await clock.advance(1000)
  await clock.advance(1000)
  await clock.advance(1000)
  await expect.poll(facts).toEqual(['transaction t-a', 'transaction t-late'])
  await add(token('slow'))
  await clock.advance(10_000)
  await expect.poll(facts).toContain('transaction t-slow')
  put(0, { labels: { env: 'prod' }, revision: 2 })
  await add(token('again', { subject: web }))
  await clock.advance(5000)
  expect(await facts()).toHaveLength(3)
  await stop()
})

test('an entry that is new is nobody’s yet, and is not asked about', async () => {
  const { add, token, facts, put, clock, stop } = await start()
  await add(token('a'))
  put(0, { labels: {}, revision: 0 })
  await clock.advance(5000)
  expect(await facts()).toEqual([])
  await stop()
})

test('with another entry of an ID, which may not have its tokens, they are revoked', async () => {
  const { add, token, facts, put, stop } = await start()
  await add(token('a'))
  put(3, { id: 'another', spiffeId: web, labels: {}, revision: 0 })
  await expect.poll(facts).toEqual(['transaction t-a'])
  await stop()
})

test('where very many were changed at once all are looked at', async () => {
  const { add, token, facts, put, stop } = await start()
  await add(token('a'), token('b', { clientId: orders, subject: orders, entryId: 'eers' }))
  put(1, { labels: {}, revision: 0 })
  for (let n = 0; n < 201; n += 1) {
    put(2, { spiffeId: `spiffe://example.org/n${n}` as never, revision: 1 })
  }
  await expect.poll(facts).toEqual(['transaction t-b'])
  await stop()
})

test('while it cannot be written it is tried again, however often', async () => {
  const { add, token, facts, put, clock, failed, stop } = await start(4)
  await add(token('a'))
  put(0, { labels: { env: 'test' }, revision: 1 })
  const aSecondLater = async () => {
    await clock.advance(1000)
    return facts()
  }
  await expect.poll(aSecondLater).toEqual(['transaction t-a'])
  expect(failed()).toBe(4)
  await stop()
})
