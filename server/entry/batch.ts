import type { AuditActor, AuditEvent } from '../../src/audit/event.ts'
import type { Entry } from '../../src/entry/entry.ts'
import { CountersignError } from '../../src/errors.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import type { TrustDomain } from '../../src/spiffe-id/spiffe-id.ts'
import type { Changes } from '../changes/changes.ts'
import type { WriteFacts } from '../revocation/write-facts.ts'
import type { Store, WriteTx } from '../store/store.ts'
import type { RuleContext } from './entry-input.ts'
import type { EntryIndex } from './index.ts'

const maxBatchItems = 10_000

export interface BatchOptions {
  /** Who asks, for the audit trail. */
  readonly actor: AuditActor
  readonly requestId?: string | undefined
  readonly trace?: string | undefined
  /** One refused item refuses all; the others are then answered with `conflict` / `batch-aborted`. */
  readonly atomic?: boolean | undefined
  readonly signal?: AbortSignal | undefined
}

/** What became of one item: `entry` or `error`; neither where a row was deleted that had been refused. */
export interface ItemResult {
  /** As it is now; after a deletion, as it was. */
  readonly entry?: Entry | undefined
  readonly error?: CountersignError | undefined
  /** The entry that stands in the way of a duplicate. */
  readonly existingId?: string | undefined
  /** The same, whole; absent where an update of this very batch is in the way. */
  readonly existing?: Entry | undefined
  /** What was accepted but is probably not meant, for people. */
  readonly warnings: readonly string[]
}

export interface BatchResult {
  /** One an item, in the order of the items. */
  readonly results: readonly ItemResult[]
  /** Where the change log stands after the batch; 0 where nothing changed. */
  readonly position: number
}

export interface RegistryDeps {
  readonly store: Pick<Store, 'write' | 'db'>
  readonly changes: Pick<Changes, 'reached' | 'position'>
  readonly index: EntryIndex
  readonly trustDomain: TrustDomain
  readonly clock: Clock
  /** Puts the revocations that follow from a change into its write. */
  readonly writeFacts: WriteFacts
  /** A new id for an entry, such as a random UUID. */
  newId(): string
  /** Whether the bundle of this foreign trust domain is here. */
  knowsTrustDomain(trustDomain: TrustDomain): boolean
  /** Selector types of the operator's own attestors. */
  readonly selectorTypes: readonly string[]
}

/** What an entry is checked against, be it new or `current` changed. */
export function ruleContext(deps: RegistryDeps, now: Date, current?: Entry): RuleContext {
  const { trustDomain, newId, knowsTrustDomain, selectorTypes } = deps
  return { trustDomain, now, newId, knowsTrustDomain, selectorTypes, current }
}

/** Results in the making; undefined: still to be decided. */
export type Draft = (ItemResult | undefined)[]

/** Undoes what the job has written; never leaves this file. */
class Rollback extends Error {}

/** An empty draft. Throws `invalid` / `batch-size` where there are more than 10,000 items. */
export function draftOf(items: readonly unknown[]): Draft {
  if (items.length > maxBatchItems) {
    throw new CountersignError('invalid', `a batch has at most ${maxBatchItems} items`, {
      reason: 'batch-size',
      fix: 'send it in several batches',
    })
  }
  return items.map(() => undefined)
}

/**
 * Runs the job in one write, unless the draft leaves it nothing to do, and resolves once this
 * server's index has what was written. The job decides what is still open in the draft and answers
 * what is to be put on record, one event for each item that it wrote.
 */
export async function commitBatch(
  { store, changes }: Pick<RegistryDeps, 'store' | 'changes'>,
  draft: Draft,
  options: BatchOptions,
  job: (tx: WriteTx) => Promise<readonly AuditEvent[]>,
): Promise<BatchResult> {
  let position = 0
  if (draft.includes(undefined) && !isAborted(draft, options)) {
    options.signal?.throwIfAborted()
    try {
      position = await store.write(async (tx) => {
        const events = await job(tx)
        if (isAborted(draft, options)) throw new Rollback()
        for (const event of events) tx.audit(event)
        return tx.lastChange
      })
    } catch (error) {
      if (!(error instanceof Rollback)) throw error
    }
  }
  if (position > 0) await changes.reached(position, options.signal)
  const aborted = isAborted(draft, options)
  return { position, results: draft.map((result) => settle(result, aborted)) }
}

/** Whether one refused item refuses the whole batch. */
export function isAborted(draft: Draft, options: BatchOptions): boolean {
  return options.atomic === true && draft.some((result) => result?.error !== undefined)
}

function settle(result: ItemResult | undefined, aborted: boolean): ItemResult {
  if (aborted && result?.error === undefined) {
    const error = new CountersignError('conflict', 'another item of the batch was refused', {
      reason: 'batch-aborted',
    })
    return { error, warnings: [] }
  }
  if (result === undefined) throw new Error('an item of the batch was left undecided')
  return result
}

export function isEntry(checked: Entry | ItemResult): checked is Entry {
  return 'spiffeId' in checked
}

export function refusedItem(error: CountersignError): ItemResult {
  return { error, warnings: [] }
}

export function missingItem(): ItemResult {
  return refusedItem(
    new CountersignError('not-found', 'there is no entry with this id', {
      reason: 'entry-not-found',
      fix: 'see which there are with: countersign entry list',
    }),
  )
}

/** An item that is like an entry which is there. */
export function duplicateItem(existingId: string, existing: Entry | undefined): ItemResult {
  // Clients tell a duplicate by this very text.
  const error = new CountersignError('exists', 'similar entry already exists', {
    reason: 'entry-exists',
  })
  return { error, existingId, existing, warnings: [] }
}

/** The entry that the item asks for, or why it is refused. */
export function checkItem(check: () => Entry): Entry | ItemResult {
  try {
    return check()
  } catch (error) {
    if (error instanceof CountersignError) return refusedItem(error)
    throw error
  }
}
