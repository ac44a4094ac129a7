import { expect, test } from 'vitest'
import { endedBy } from '../../../../server/revocation/count-ended.ts'
import type { FactKind } from '../../../../src/revocation/fact.ts'
import { RevocationState } from '../../../../src/revocation/state.ts'
import { orders, permitAll, startRecheck, web } from '../oauth/recheck-world.ts'

test.for<[FactKind, string, number]>([
  // A token with what was exchanged for it; by the time that it is counted that may have a fact of its own.
  ['token', 'a', 3],
  ['token', 'b', 2],
  // What it has signed, and what was exchanged for such a token, though that was never issued here.
  ['key', 'old', 5],
  ['key', 'new', 3],
  // No more than what is for the resource.
  ['audience', 'https://orders', 2],
  ['audience', 'https://stock', 3],
])('%s %s is said to have ended as many tokens as it has', async ([kind, id, count]) => {
  const { deps, add, token, clock } = await startRecheck(permitAll)
  const child = (jti: string, parent: string, keyId: string) =>
    token(jti, {
      ...{
        txn: 't-a',
        parent,
        keyId: 'new',
        from: { audience: 'https://orders', depth: 0, keyId },
      },
      ...{ clientId: orders, actors: [orders], audience: 'https://stock' },
    })
  await add(token('a', { keyId: 'old' }), token('other', { keyId: 'old' }))
  await add(child('b', 'a', 'old'), child('c', 'b', 'new'), child('of-forged', 'forged', 'old'))
  const revocations = new RevocationState()
  const revoke = async () => {
    const counting = endedBy([{ kind, id }], { db: deps.store.db, revocations, clock })
    const endsAt = clock.now().getTime() / 1000 + 3600
    revocations.apply({ kind, id, notBefore: endsAt, endsAt })
    if (kind !== 'audience') revocations.apply({ kind: 'token', id: 'c', notBefore: 0, endsAt })
    return counting()
  }
  const isListed = kind === 'token'
  expect(await revoke()).toEqual({ tokens: count, isAll: true, isListed })
  // Once more it ends nothing.
  expect(await revoke()).toEqual({ tokens: 0, isAll: true, isListed })
})

test.for<[FactKind, string]>([
  ['token', 'a'],
  ['transaction', 't-a'],
  ['spiffe-id', web],
  ['entry', 'eweb'],
  ['audience', 'https://orders'],
  ['trust-domain', 'example.org'],
  ['key', 'old'],
])('what was dead by %s %s an owner who goes afterwards does not end again', async ([kind, id]) => {
  const { deps, add, token, clock } = await startRecheck(permitAll)
  const revocations = new RevocationState()
  await add(token('a', { txn: 't-a', keyId: 'old' }))
  const now = clock.now().getTime() / 1000
  const revoke = (dead: FactKind, of: string) =>
    revocations.apply({ kind: dead, id: of, notBefore: now, endsAt: now + 3600 })
  const owner = { kind: 'owner', id: token('a').owner } as const
  revoke(kind, id)
  const counting = endedBy([owner], { db: deps.store.db, revocations, clock })
  revoke('owner', owner.id)
  expect(await counting()).toEqual({ tokens: 0, isAll: true, isListed: false })
})
