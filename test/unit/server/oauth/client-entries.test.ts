import { expect, test } from 'vitest'
import { clientEntries } from '../../../../server/oauth/client-entries.ts'
import { readForeignClients } from '../../../../server/oauth/foreign-clients.ts'
import type { Entry } from '../../../../src/entry/entry.ts'
import { SpiffeId, TrustDomain } from '../../../../src/spiffe-id/spiffe-id.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'
import { entryOf, idOf } from '../entry/samples.ts'

const web = idOf('/web')
const clock = new FakeClock()

function lookup(entries: readonly Entry[]) {
  const partner = SpiffeId.parse('spiffe://partner.example/web')
  const said = [{ spiffe_id: partner, owner: 'partner' }]
  const foreignClients = readForeignClients(said, TrustDomain.parse('example.org'))
  const index = {
    ofId: (spiffeId: SpiffeId, limit: number) =>
      entries.filter((entry) => entry.spiffeId === spiffeId).slice(0, limit),
  }
  return clientEntries({ index, foreignClients, clock })
}

function found(entries: readonly Entry[], id = web): readonly string[] {
  return lookup(entries)
    .entriesOf(id)
    .map((entry) => entry.id)
}

test('an entry that has expired makes nobody a client, though it has not been deleted', () => {
  const ends = (id: string, ms: number) =>
    entryOf({ id, spiffeId: web, expiresAt: new Date(clock.now().getTime() + ms) })
  expect(found([ends('a', -1), ends('b', 0), ends('c', 1)])).toEqual(['c'])
  expect(found([ends('a', 0)])).toEqual([])
})

test('an entry that is disabled makes nobody a client, and is found where it is asked why', () => {
  const disabledAt = new Date(clock.now().getTime() - 1)
  const off = entryOf({ id: 'off', spiffeId: web, disabledAt })
  const on = entryOf({ id: 'on', spiffeId: web })
  expect([found([off, on]), found([off])]).toEqual([['on'], []])
  expect(lookup([off, on]).disabledOf(web)).toEqual([off])
})

test('of more entries than are looked at none is taken for expired', () => {
  const expiresAt = clock.now()
  const many = Array.from({ length: 20 }, (_, at) =>
    entryOf({ id: `e${at}`, spiffeId: web, ...(at < 10 && { expiresAt }) }),
  )
  expect(found(many)).toHaveLength(17)
})

test('a workload of another trust domain has what is said of it, and no entry', () => {
  const partner = SpiffeId.parse('spiffe://partner.example/web')
  expect(found([entryOf({ id: 'a', spiffeId: partner })], partner)).toEqual([`foreign:${partner}`])
  const other = SpiffeId.parse('spiffe://partner.example/db')
  expect(found([], other)).toEqual([])
})
