import type { Entry } from '../../src/entry/entry.ts'
import { CountersignError } from '../../src/errors.ts'
import { causesOfOwner, type OwnedLookup } from './ended-ids.ts'
import { type Act, checkReason, type RevokeDeps, type Revoking, revoke } from './revoke.ts'

export interface OffboardDeps extends RevokeDeps, OwnedLookup {
  readonly registry: {
    deleteEntries(
      ids: readonly string[],
      options: Act & { readonly reason: string; readonly only: (entry: Entry) => boolean },
    ): Promise<{
      readonly results: readonly { readonly entry?: Entry | undefined; readonly error?: unknown }[]
    }>
  }
}

/** Deleted in one write. */
const batchSize = 1000

/**
 * Ends all that an owner answers for: his tokens at once, and his entries, so that their SVIDs are not renewed. Resolves
 * with the entries that were deleted and the number of the fact. Where it fails half-way it can be called again. Throws
 * `invalid` `revoke-reason` and `owner-missing`, `conflict` `owner-raced`, and as `revoke`.
 */
export async function offboardOwner(
  deps: OffboardDeps,
  owner: string,
  reason: string,
  act: Act,
  { within }: Pick<Revoking, 'within'> = {},
): Promise<{ readonly entries: readonly Entry[]; readonly number: number }> {
  if (owner === '') {
    throw new CountersignError('invalid', 'no owner is named', { reason: 'owner-missing' })
  }
  checkReason(reason)
  const causes = causesOfOwner(owner, deps)
  const number = await revoke(deps, { kind: 'owner', id: owner }, reason, act, { causes, within })
  const deleted: Entry[] = []
  for (;;) {
    const entries = deps.index.list({ owner }, undefined, batchSize)
    if (entries.length === 0) return { entries: deleted, number }
    // One that has got another owner meanwhile stays.
    const only = (entry: Entry): boolean => entry.owner === owner
    const options = { ...act, reason: 'owner-offboarded', only }
    const { results } = await deps.registry.deleteEntries(
      entries.map(({ id }) => id),
      options,
    )
    const gone = results.flatMap(({ entry, error }) =>
      entry === undefined || error !== undefined ? [] : [entry],
    )
    deleted.push(...gone)
    if (gone.length > 0) continue
    throw new CountersignError('conflict', 'entries of this owner are changed at the same time', {
      reason: 'owner-raced',
      fix: 'look at them and call again: his tokens are revoked already',
    })
  }
}
