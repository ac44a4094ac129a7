import { CountersignError } from '../../src/errors.ts'
import type { Fact } from '../../src/revocation/fact.ts'
import type { OffboardOwnerRequest } from '../../src/rpc/gen/countersign/revocation/v1/OffboardOwnerRequest.ts'
import type { RevokeRequest } from '../../src/rpc/gen/countersign/revocation/v1/RevokeRequest.ts'
import type { RevokeResponse$Input } from '../../src/rpc/gen/countersign/revocation/v1/RevokeResponse.ts'
import { type RpcHandler, unary } from '../../src/rpc/handler.ts'
import type { SpiffeId, TrustDomain } from '../../src/spiffe-id/spiffe-id.ts'
import type { Caller } from '../access/caller.ts'
import type { EntryFilter } from '../entry/filter.ts'
import { revokeKeys } from '../legacy/revoke-keys.ts'
import { causesOfBan } from '../node/revoked-causes.ts'
import { endedBy } from '../revocation/count-ended.ts'
import { causesOfIds, causesOfOffboarding, causesOfOwner } from '../revocation/ended-ids.ts'
import { offboardOwner } from '../revocation/offboard.ts'
import {
  type Act,
  checkReason,
  type Revoking,
  readTarget,
  revoke,
  type Target,
} from '../revocation/revoke.ts'
import type { Cause } from '../revocation/write-facts.ts'
import type { AuthorityRecord } from '../store/records.ts'
import { type ApiDeps, actOf } from './deps.ts'

const maxShown = 1000

type Deps = Pick<
  ApiDeps,
  | 'bundles'
  | 'ca'
  | 'changes'
  | 'clock'
  | 'foreignClients'
  | 'index'
  | 'policies'
  | 'registry'
  | 'resources'
  | 'revocations'
  | 'store'
  | 'writeFacts'
>

/** countersign.revocation.v1.Revocation */
export function revocationHandlers(deps: Deps): Record<string, RpcHandler<Caller>> {
  const { store, clock } = deps
  return {
    Revoke: unary(async (request: RevokeRequest, { caller }) => {
      const target = readTarget(request.kind, request.id)
      checkReason(request.reason)
      const isKnownHere = isKnown(target, deps)
      const act = actOf(caller)
      const revoking = revokingOf(target, deps, act)
      const count = endedBy([target, ...(revoking.causes ?? [])], { ...deps, db: store.db })
      const number = await revoke(deps, target, request.reason, act, revoking)
      const { tokens, isAll, isListed } = await count()
      const known = isToken(target) ? isListed || !isAll : isKnownHere
      return { ...revokedToWire(number, target, known), tokens, more_tokens: !isAll }
    }),
    OffboardOwner: unary(async ({ owner, reason }: OffboardOwnerRequest, { caller }) => {
      const count = endedBy(causesOfOffboarding(owner, deps), { ...deps, db: store.db })
      const { entries, number } = await offboardOwner(deps, owner, reason, actOf(caller), {
        within: (tx) => revokeKeys(tx, { owner }, clock.now()),
      })
      // There may be very many, and nobody who is cut off is to gain by it.
      const { tokens, isAll } = await count()
      const foreign = deps.foreignClients.ofOwner(owner)
      const known = entries.length + foreign.length > 0
      return {
        entries: entries
          .slice(0, maxShown)
          .map(({ id, spiffeId }) => ({ id, spiffe_id: spiffeId })),
        deleted: entries.length,
        foreign_clients: foreign.map(({ spiffeId }) => spiffeId),
        ...{ tokens, more_tokens: !isAll },
        revoked: revokedToWire(number, { kind: 'owner', id: owner }, known),
      }
    }),
  }

  function revokedToWire(
    number: number,
    { kind, id }: Target,
    known: boolean,
  ): RevokeResponse$Input {
    const fact: Pick<Fact, 'notBefore' | 'endsAt'> | undefined = deps.revocations.find(kind, id)
    return { number, not_before: fact?.notBefore ?? 0, ends_at: fact?.endsAt ?? 0, known }
  }
}

/** What is known by the list of tokens alone, which is gone through afterwards. */
function isToken({ kind }: Target): boolean {
  return kind === 'token' || kind === 'transaction'
}

/** Whether there is such a thing here. An integration is known by its resource, or by what that ends in: its bare id. */
function isKnown(
  { kind, id }: Target,
  { index, foreignClients, ca, bundles, resources }: Deps,
): boolean {
  switch (kind) {
    case 'audience':
      return resources.has(id)
    case 'integration':
      return resources.has(id) || [...resources.keys()].some((url) => url.endsWith(`/${id}`))
    case 'spiffe-id':
      return index.knowsId(id as SpiffeId) || foreignClients.get(id as SpiffeId) !== undefined
    case 'entry':
      return index.get(id) !== undefined
    case 'owner':
      return (
        index.list({ owner: id }, undefined, 1).length > 0 || foreignClients.ofOwner(id).length > 0
      )
    case 'key':
      return findKey(id, ca) !== undefined
    case 'trust-domain':
      return bundles.bundleOf(id as TrustDomain) !== undefined
    case 'node':
      return index.agent(id as SpiffeId) !== undefined
    default:
      return true
  }
}

function revokingOf({ kind, id }: Target, deps: Deps, act: Act & { requestId: string }): Revoking {
  if (kind === 'key') return { before: () => retireKey(id, deps, act) }
  const causes = causesOf({ kind, id }, deps)
  const filter = filterOf({ kind, id })
  if (filter === undefined) return { causes }
  return { causes, within: (tx) => revokeKeys(tx, filter, deps.clock.now()) }
}

/** The entries that a fact of this kind is about. */
function filterOf({ kind, id }: Target): EntryFilter | undefined {
  if (kind === 'spiffe-id') return { spiffeId: id as SpiffeId }
  if (kind === 'entry') return { id }
  return kind === 'owner' ? { owner: id } : undefined
}

/** What ends with the target. */
function causesOf({ kind, id }: Target, deps: Deps): readonly Cause[] {
  const { index } = deps
  if (kind === 'owner') return causesOfOwner(id, deps)
  if (kind === 'entry') return causesOfIds([index.get(id) ?? []].flat())
  if (kind !== 'node') return []
  return causesOfBan(index, id as SpiffeId).filter((one) => one.kind !== 'node')
}

/** A key that signs access tokens, the feed or events is replaced before it is revoked, and is published no more. */
async function retireKey(
  id: string,
  { ca }: Pick<Deps, 'ca'>,
  act: Act & { requestId: string },
): Promise<void> {
  for (const kind of ['x509', 'jwt', 'jwt-rs256'] as const) {
    const { active, prepared, old } = ca.state(kind)
    if ([active, prepared, ...old].every((record) => record?.id !== id)) continue
    throw new CountersignError('invalid', 'this key signs SVIDs', {
      reason: 'revoke-authority',
      fix: 'see "countersign authority": prepare and activate another one, then taint and revoke this',
    })
  }
  const found = findKey(id, ca)
  if (found === undefined) return
  const { kind, slot } = found
  if (slot === 'active') {
    const next = ca.state(kind).prepared ?? (await ca.prepare(kind, act))
    await ca.activate(kind, next.id, act)
  }
  if (slot === 'prepared') await ca.prepare(kind, act)
  else {
    await ca.taint(kind, id, act)
    await ca.revoke(kind, id, act)
  }
}

function findKey(id: string, ca: Deps['ca']): Pick<AuthorityRecord, 'kind' | 'slot'> | undefined {
  for (const kind of ['oauth', 'feed', 'events'] as const) {
    const { active, prepared, old } = ca.state(kind)
    const found = [active, prepared, ...old].find((record) => record?.id === id)
    if (found !== undefined) return found
  }
  return undefined
}
