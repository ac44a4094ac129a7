import { expect, test } from 'vitest'
import { offboardOwner } from '../../../../server/revocation/offboard.ts'
import { revoke } from '../../../../server/revocation/revoke.ts'
import { factWriter } from '../../../../server/revocation/write-facts.ts'
import { putAuthority } from '../../../../server/store/authorities.ts'
import { factsAfter } from '../../../../server/store/revocation-facts.ts'
import type { AuditEvent } from '../../../../src/audit/event.ts'
import type { Entry } from '../../../../src/entry/entry.ts'
import { TrustDomain } from '../../../../src/spiffe-id/spiffe-id.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'
import { authorityOf, entryOf, idOf } from '../entry/samples.ts'
import { tempStore } from '../store/fixture.ts'

const act = { actor: { kind: 'local', uid: 0 }, requestId: 'r' } as const

async function start(entries: Entry[], deletes: (entry: Entry) => boolean, allowed = true) {
  const clock = new FakeClock()
  const events: AuditEvent[] = []
  const store = await tempStore({ beforeCommit: async (given) => void events.push(...given) })
  await store.write((tx) => putAuthority(tx, authorityOf('oauth')))
  const left = new Set(entries)
  const deps = {
    ...{ store, clock, changes: { reached: async () => {} } },
    writeFacts: factWriter({
      trustDomain: TrustDomain.parse('example.org'),
      clock,
      proofSeconds: 3600,
    }),
    policies: {
      revision: 'r',
      decide: () => ({
        allowed,
        reason: allowed ? ('policy-permits' as const) : ('policy-forbids' as const),
        policies: ['countersign.operator-revokes'],
      }),
    },
    index: {
      list: ({ owner }: { owner: string }, _: undefined, limit: number) =>
        [...left].filter((one) => one.owner === owner).slice(0, limit),
    },
    foreignClients: { ofOwner: () => [] },
    registry: {
      async deleteEntries(ids: readonly string[], { only }: { only(entry: Entry): boolean }) {
        const results = [...left]
          .filter(({ id }) => ids.includes(id))
          .map((entry) =>
            only(entry) && deletes(entry) ? { entry } : { error: new Error('not there') },
          )
        for (const { entry } of results) if (entry !== undefined) left.delete(entry)
        return { results }
      },
    },
  }
  const facts = async () => (await factsAfter(store.db, 0, 5000)).facts
  return { deps, left, events, facts }
}

function owned(count: number): Entry[] {
  return Array.from({ length: count }, (_, at) =>
    entryOf({ id: `e${at}`, owner: 'team', spiffeId: idOf(`/w${at}`) }),
  )
}

test('all entries of an owner go, however many, after his tokens', async () => {
  const { deps, left, facts, events } = await start(owned(2500), () => true)
  const { entries } = await offboardOwner(deps, 'team', 'left', act)
  expect([entries.length, left.size]).toEqual([2500, 0])
  const written = await facts()
  expect([written.length, written.at(-1)]).toMatchObject([2501, { kind: 'owner', id: 'team' }])
  expect(events).toMatchObject([
    {
      kind: 'revocation.written',
      actor: act.actor,
      reason: 'left',
      policies: ['countersign.operator-revokes'],
      details: { kind: 'owner', id: 'team' },
    },
  ])
})

test('T26 what was passed on by his workloads ends with him, and with an ID what another owner’s entry of it has', async () => {
  const shared = entryOf({ id: 'other', owner: 'other-team', spiffeId: idOf('/w0') })
  const { deps, left, facts } = await start([shared, ...owned(2)], () => true)
  await offboardOwner(deps, 'team', 'left', act)
  expect([...left]).toEqual([shared])
  expect((await facts()).map(({ kind, id }) => [kind, id])).toEqual([
    ['spiffe-id', idOf('/w0')],
    ['spiffe-id', idOf('/w1')],
    ['owner', 'team'],
  ])
})

test('what cannot be deleted is told and not tried for ever; the tokens are revoked all the same', async () => {
  const { deps, facts } = await start(owned(3), ({ id }) => id !== 'e1')
  await expect(offboardOwner(deps, 'team', 'left', act)).rejects.toMatchObject({
    code: 'conflict',
    reason: 'owner-raced',
  })
  expect(await facts()).toHaveLength(4)
})

test('T26 it is done once this server refuses what it hits, and not before', async () => {
  const { deps } = await start([], () => true)
  const [asked, known] = [Promise.withResolvers<number>(), Promise.withResolvers<void>()]
  const reached = (position: number): Promise<void> => {
    asked.resolve(position)
    return known.promise
  }
  let done = false
  const target = { kind: 'owner', id: 'team' } as const
  const revoking = revoke({ ...deps, changes: { reached } }, target, 'left', act).finally(() => {
    done = true
  })
  expect(await asked.promise).toBeGreaterThan(0)
  await new Promise(setImmediate)
  expect(done).toBe(false)
  known.resolve()
  expect(await revoking).toBe(await asked.promise)
})

test('what a policy forbids an operator is not done', async () => {
  const { deps, left, facts, events } = await start(owned(3), () => true, false)
  await expect(offboardOwner(deps, 'team', 'left', act)).rejects.toMatchObject({
    code: 'forbidden',
    reason: 'policy-forbids',
  })
  expect([left.size, (await facts()).length]).toEqual([3, 0])
  expect(events).toMatchObject([
    {
      ...{ kind: 'revocation.denied', actor: act.actor, decision: 'deny' },
      ...{ reason: 'policy-forbids', policies: ['countersign.operator-revokes'] },
      ...{ policyRevision: 'r', details: { kind: 'owner', id: 'team' } },
    },
  ])
})
