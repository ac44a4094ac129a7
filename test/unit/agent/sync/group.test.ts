import { beforeAll, describe, expect, test } from 'vitest'
import { Group } from '../../../../agent/sync/group.ts'
import type { Bundle } from '../../../../src/bundle/bundle.ts'
import { bundleToWire, entryToWire } from '../../../../src/rpc/convert.ts'
import type { Update } from '../../../../src/rpc/gen/countersign/sync/v1/Update.ts'
import { silentLog } from '../../../../src/runtime/log.ts'
import { TrustDomain } from '../../../../src/spiffe-id/spiffe-id.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'
import { reasonOf } from '../../../support/x509-fixtures.ts'
import { bundleWith, entryOf, makeCa, trustDomain } from '../cache/fixture.ts'

const web = entryOf('/web', ['unix:uid:1000'], { id: 'web' })
const clock = new FakeClock()
const friend = TrustDomain.parse('friend.test')

let own: Bundle

beforeAll(async () => {
  own = bundleWith([{ ca: await makeCa() }])
})

const update = (given: Partial<Update>): Update => ({
  log_id: 'log',
  position: '1',
  snapshot: false,
  more: false,
  entries: [],
  removed_entry_ids: [],
  bundles: [],
  removed_trust_domains: [],
  good_from: [],
  ...given,
})
const group = (): Group => new Group({ trustDomain, clock, log: silentLog, random: () => 0.5 })

describe('a group of messages', () => {
  test('is one change, of all of them, at the position of the last', () => {
    const gathered = group()
    const db = entryOf('/db', ['unix:uid:1'], { id: 'db' })
    const first = { more: true, position: '0', snapshot: true }
    expect(gathered.add(update({ ...first, entries: [entryToWire(web)] }))).toBeUndefined()
    expect(gathered.add(update({ ...first, bundles: [bundleToWire(own)] }))).toBeUndefined()
    const good_from = [{ entry_id: 'db', x509_not_before: '90', jwt_issued_at: '100' }]
    const last = { snapshot: true, position: '7', entries: [entryToWire(db)], good_from }
    expect(gathered.add(update({ ...last, removed_entry_ids: ['x'] }))).toEqual({
      logId: 'log',
      position: 7,
      snapshot: true,
      entries: [web, db],
      removedEntryIds: ['x'],
      bundles: [own],
      removedTrustDomains: [],
      // A second after it came, and within the next.
      goodFrom: new Map([['db', { x509: 90, jwt: 100, renewAtMs: clock.monotonicMs() + 1500 }]]),
    })
  })

  test('holds nothing that cannot be read, and all the rest', () => {
    const change = group().add(
      update({
        entries: [entryToWire(web), { ...entryToWire(web), id: '' }],
        bundles: [{ ...bundleToWire(own), trust_domain: 'NOT a name' }, bundleToWire(own)],
        removed_trust_domains: ['', 'friend.test'],
        good_from: [{ entry_id: web.id, x509_not_before: '1e99', jwt_issued_at: '1' }],
      }),
    )
    expect(change?.entries).toEqual([web])
    expect(change?.bundles).toEqual([own])
    expect(change?.goodFrom.size).toBe(0)
    expect(change?.removedTrustDomains).toEqual([friend])
  })

  test('T26 takes no bundle of the own trust domain without an authority: no server would be left to believe', () => {
    const empty = bundleWith([])
    const foreign = bundleWith([], { trustDomain: friend })
    const change = group().add(update({ bundles: [bundleToWire(empty), bundleToWire(foreign)] }))
    expect(change?.bundles).toEqual([foreign])
  })

  test('that does not end is given up before it fills the memory', () => {
    const gathered = group()
    const ids = Array.from({ length: 250_000 }, () => 'x')
    const more = update({ more: true, removed_entry_ids: ids })
    gathered.add(more)
    gathered.add(more)
    expect(reasonOf(() => gathered.add(more))).toBe('sync-too-much')
  })

  test('says where the log stands, or is none', () => {
    for (const bad of [{ log_id: '' }, { position: '-1' }, { position: '9007199254740993' }]) {
      expect(reasonOf(() => group().add(update(bad)))).toBe('sync-position')
    }
  })
})
