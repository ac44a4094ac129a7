import type { Entry } from '../../src/entry/entry.ts'
import type { SpiffeId } from '../../src/spiffe-id/spiffe-id.ts'
import type { Cause } from '../revocation/write-facts.ts'
import { loadEntries } from '../store/entries.ts'
import type { WriteTx } from '../store/store.ts'
import type { RegistryDeps } from './batch.ts'

/** Of one ID; where there are more, none of a batch is the last. */
const maxOfOneId = 1000
/** So many that the index takes for enabled are looked at once more by their rows; of more, one is so for sure. */
const maxDoubted = 16

/**
 * What ends with these entries, which are deleted or disabled: tokens by each of them, and with the last entry of an ID
 * whatever the ID has, so that an SVID of before proves nothing to the next who is registered under it. One that is
 * disabled is not among those that are left.
 */
export async function causesOf(
  ended: readonly Entry[],
  tx: Pick<WriteTx, 'db'>,
  { index }: Pick<RegistryDeps, 'index'>,
): Promise<readonly Cause[]> {
  const ids = new Set(ended.map(({ spiffeId }) => spiffeId))
  const left = await idsLeft(ended, ids, tx, index)
  return [
    ...ended.map(({ id }) => ({ kind: 'entry', id }) as const),
    ...[...ids].filter((id) => !left.has(id)).map((id) => ({ kind: 'spiffe-id', id }) as const),
  ]
}

/** Those of the IDs that another entry gives. */
async function idsLeft(
  ended: readonly Entry[],
  ids: Iterable<SpiffeId>,
  { db }: Pick<WriteTx, 'db'>,
  index: RegistryDeps['index'],
): Promise<ReadonlySet<SpiffeId>> {
  const gone = new Set(ended.map(({ id }) => id))
  const left = new Set<SpiffeId>()
  const doubted: string[] = []
  for (const spiffeId of ids) {
    const others = index
      .ofId(spiffeId, maxOfOneId)
      .filter(({ id, disabledAt }) => !gone.has(id) && disabledAt === undefined)
    if (others.length > maxDoubted) left.add(spiffeId)
    else doubted.push(...others.map(({ id }) => id))
  }
  // Another server may have ended them a moment ago, which the index does not know yet.
  const rows = doubted.length === 0 ? [] : await loadEntries(db, doubted)
  for (const row of rows) if (row.disabledAt === undefined) left.add(row.spiffeId)
  return left
}
