import { expect, test, vi } from 'vitest'
import type { Caller } from '../../../../server/access/caller.ts'
import { revocationHandlers } from '../../../../server/api/revocation.ts'
import { factWriter } from '../../../../server/revocation/write-facts.ts'
import { factsAfter } from '../../../../server/store/revocation-facts.ts'
import type { Entry } from '../../../../src/entry/entry.ts'
import { RevocationState } from '../../../../src/revocation/state.ts'
import type { CallContext } from '../../../../src/rpc/call-context.ts'
import type { OffboardOwnerResponse$Input } from '../../../../src/rpc/gen/countersign/revocation/v1/OffboardOwnerResponse.ts'
import type { ServerCall } from '../../../../src/rpc/server-call.ts'
import { SpiffeId, TrustDomain } from '../../../../src/spiffe-id/spiffe-id.ts'
import { entryOf } from '../entry/samples.ts'
import { orders, permitAll, startRecheck, web } from '../oauth/recheck-world.ts'

const partner = SpiffeId.parse('spiffe://partner.example/billing')

/** What the operator is answered, and in which order the server did what. */
async function offboard(elapsedMs: number) {
  const { deps, add, token, clock } = await startRecheck(permitAll)
  const of = { owner: 'team', entryId: 'e1' }
  await add(
    ...Array.from({ length: 700 }, (_, at) => token(`a-${at}`, of)),
    token('passed-on', { clientId: orders, owner: 'others', entryId: 'e2', actors: [orders] }),
    token('other', { clientId: orders, subject: orders, owner: 'others', entryId: 'e2' }),
  )
  const order: string[] = []
  const state = new RevocationState()
  const write = factWriter({
    trustDomain: TrustDomain.parse('example.org'),
    clock,
    proofSeconds: 60,
  })
  let left: readonly Entry[] = [entryOf({ id: 'e1', owner: 'team', spiffeId: web })]
  const apply = async (): Promise<void> => {
    for (const fact of (await factsAfter(deps.store.db, 0, 100)).facts) state.apply(fact)
  }
  const { db } = deps.store
  const selectFrom = db.selectFrom.bind(db)
  vi.spyOn(db, 'selectFrom').mockImplementation(((from: 'issued_grants') => {
    if (from === 'issued_grants') order.push('looked')
    return selectFrom(from)
  }) as typeof db.selectFrom)
  let nowMs = 0
  const handlers = revocationHandlers({
    ...({} as Parameters<typeof revocationHandlers>[0]),
    clock: {
      now: () => clock.now(),
      sleep: (ms, signal) => clock.sleep(ms, signal),
      monotonicMs() {
        nowMs += elapsedMs
        return nowMs
      },
    },
    store: {
      ...deps.store,
      write(job) {
        order.push('revoked')
        return deps.store.write(job)
      },
    },
    changes: { reached: apply } as never,
    policies: {
      revision: 'r',
      decide: () => ({ allowed: true, reason: 'policy-permits', policies: [] }),
    } as never,
    writeFacts: write,
    revocations: state as never,
    index: { list: () => left } as never,
    foreignClients: {
      get: () => undefined,
      ofOwner: () => [entryOf({ id: 'foreign', spiffeId: partner })],
    },
    registry: {
      async deleteEntries() {
        order.push('deleted')
        const results = left.map((entry) => ({ entry }))
        left = []
        // As a deletion does, which names the entry itself.
        await deps.store.write((tx) => write(tx, [{ kind: 'entry', id: 'e1' }]))
        await apply()
        return { results }
      },
    } as never,
  })
  const answer = await new Promise<OffboardOwnerResponse$Input>((resolve, reject) => {
    const call = {
      onRequest: (serve: (request: unknown) => void) => serve({ owner: 'team', reason: 'left' }),
      respond: resolve,
      fail: reject,
    } as unknown as ServerCall<Caller>
    const context = { caller: { actor: { kind: 'local', uid: 0 } } } as CallContext<Caller>
    handlers['OffboardOwner']?.serve(call, context, (message) => message as Buffer)
  })
  return { order, answer, facts: (await factsAfter(db, 0, 100)).facts }
}

test('an owner is revoked, and his entries are deleted, before anybody counts what that has ended', async () => {
  const { order, answer } = await offboard(0)
  expect(order.filter((what, at) => what !== order[at - 1])).toEqual([
    ...['revoked', 'deleted', 'looked'],
  ])
  // His own, and what was passed on for him.
  expect(answer).toMatchObject({ deleted: 1, tokens: 701, more_tokens: false })
})

test('he who waits for the count waits for two seconds at most, and is told that there are more', async () => {
  const { answer } = await offboard(2000)
  expect(answer).toMatchObject({ deleted: 1, more_tokens: true })
  expect(Number(answer.tokens)).toBeGreaterThan(0)
  expect(Number(answer.tokens)).toBeLessThan(701)
})

test('workloads of other trust domains are revoked with their owner, who is told that they stay listed', async () => {
  const { answer, facts } = await offboard(0)
  expect(answer).toMatchObject({ foreign_clients: [partner] })
  expect(facts.map(({ kind, id }) => [kind, id])).toContainEqual(['spiffe-id', partner])
})
