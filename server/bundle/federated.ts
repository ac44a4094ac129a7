import type { AuditEvent } from '../../src/audit/event.ts'
import type { Bundle } from '../../src/bundle/bundle.ts'
import { CountersignError } from '../../src/errors.ts'
import { TrustDomain } from '../../src/spiffe-id/spiffe-id.ts'
import type { WriteFacts } from '../revocation/write-facts.ts'
import { deleteConfirmation, putConfirmation } from '../store/bundle-confirmations.ts'
import { deleteBundle, loadBundles, putBundle } from '../store/bundles.ts'
import type { WriteTx } from '../store/store.ts'
import type { Act, BundleDeps } from './append.ts'
import { checkBundle } from './check-bundle.ts'

const maxBatch = 200
/** How many peers there may be: each agent holds all their bundles. */
const maxFederated = 1000

/** `create` refuses a bundle that is there, `update` one that is not; `set` does either. */
export type PutMode = 'create' | 'update' | 'set'

export type BundleField = 'x509Authorities' | 'jwtAuthorities' | 'refreshHintSeconds' | 'sequence'

export interface PutOptions {
  readonly mode: PutMode
  /** What an update replaces; undefined: all of it. */
  readonly fields?: ReadonlySet<BundleField> | undefined
}

/** What became of each item, in order: the bundle as it is now, or why not. */
export type PutResult = Bundle | CountersignError

/**
 * Puts bundles of other trust domains, each item for itself and all in one write; resolves once this
 * server answers with them. An item is a bundle or why it could not be read. Items are refused with
 * `invalid` (`bundle-own`, `bundle-…`), `exists` / `bundle-exists`, `not-found` / `bundle-not-found`,
 * `exhausted` / `bundle-count`.
 */
export async function putFederated(
  deps: BundleDeps,
  items: readonly PutResult[],
  options: PutOptions,
  act: Act,
): Promise<readonly PutResult[]> {
  checkBatch(items)
  const { position, results } = await deps.store.write(async (tx) => {
    const results: PutResult[] = []
    for (const item of items) {
      results.push(await refusable(() => putOne(deps, tx, item, options, act)))
    }
    return { results, position: tx.lastChange }
  })
  await deps.changes.reached(position)
  return results
}

/** The same inside another write, for one bundle. Throws instead of answering a refusal. */
export async function putOne(
  { trustDomain, clock }: Pick<BundleDeps, 'trustDomain' | 'clock'>,
  tx: WriteTx,
  item: PutResult,
  { mode, fields }: PutOptions,
  act: Act,
): Promise<Bundle> {
  if (item instanceof CountersignError) throw item
  refuseOwn(item.trustDomain, trustDomain)
  const given = checkBundle(item)
  const [before] = await loadBundles(tx.db, [given.trustDomain])
  if (mode === 'create' && before !== undefined) {
    throw new CountersignError('exists', 'bundle already exists', { reason: 'bundle-exists' })
  }
  if (mode === 'update' && before === undefined) throw bundleNotFound()
  if (before === undefined) await checkCount(tx)
  const bundle =
    before === undefined || fields === undefined ? given : merged(before, given, fields)
  // What an operator puts may be older than what was there: it is the operator's word that counts.
  await deleteBundle(tx, bundle.trustDomain)
  await putBundle(tx, bundle)
  await putConfirmation(tx, bundle.trustDomain, clock.now())
  tx.audit(
    bundleEvent('bundle.set', bundle.trustDomain, clock.now(), act, {
      x509: bundle.x509Authorities.length,
      jwt: bundle.jwtAuthorities.length,
      sequence: bundle.sequence.toString(),
    }),
  )
  return bundle
}

function merged(before: Bundle, given: Bundle, fields: ReadonlySet<BundleField>): Bundle {
  return { ...before, ...Object.fromEntries([...fields].map((field) => [field, given[field]])) }
}

async function checkCount(tx: WriteTx): Promise<void> {
  if ((await loadBundles(tx.db)).length <= maxFederated) return
  throw new CountersignError('exhausted', `there are at most ${maxFederated} federated bundles`, {
    reason: 'bundle-count',
  })
}

/** Lets the entries go that federate with a trust domain, or refuses; within the write that deletes its bundle. */
export type Leave = (tx: WriteTx, trustDomain: TrustDomain) => Promise<void>

/** Deletes bundles, each item for itself; undefined where it is done. Refuses as `putFederated`, and as `leave` does. */
export async function deleteFederated(
  deps: BundleDeps & { readonly writeFacts: WriteFacts },
  names: readonly string[],
  mode: string,
  leave: Leave,
  act: Act,
): Promise<readonly (undefined | CountersignError)[]> {
  checkBatch(names)
  const { position, results } = await deps.store.write(async (tx) => {
    const results: (undefined | CountersignError)[] = []
    for (const name of names) {
      const result = await refusable(async () => {
        const trustDomain = TrustDomain.parseIdOrName(name)
        refuseOwn(trustDomain, deps.trustDomain)
        if ((await loadBundles(tx.db, [trustDomain])).length === 0) throw bundleNotFound()
        await leave(tx, trustDomain)
        await deleteBundle(tx, trustDomain)
        await deleteConfirmation(tx, trustDomain)
        await deps.writeFacts(tx, [{ kind: 'trust-domain', id: trustDomain }])
        tx.audit(bundleEvent('bundle.deleted', trustDomain, deps.clock.now(), act, { mode }))
        return undefined
      })
      results.push(result)
    }
    return { results, position: tx.lastChange }
  })
  await deps.changes.reached(position)
  return results
}

/** Throws `invalid` / `batch-size`. */
export function checkBatch(items: readonly unknown[]): void {
  if (items.length <= maxBatch) return
  throw new CountersignError('invalid', `a batch has at most ${maxBatch} items`, {
    reason: 'batch-size',
    fix: 'send it in several batches',
  })
}

/** A refusal says that nothing was written for the item; anything else undoes the whole write. */
export async function refusable<T>(work: () => Promise<T>): Promise<T | CountersignError> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof CountersignError && refusals.has(error.code)) return error
    throw error
  }
}

const refusals: ReadonlySet<string> = new Set([
  'invalid',
  'exists',
  'not-found',
  'conflict',
  'exhausted',
])

/** Throws `invalid` / `bundle-own`. */
export function refuseOwn(name: TrustDomain, own: TrustDomain): void {
  if (name !== own) return
  throw new CountersignError(
    'invalid',
    `a federated bundle for the server's own trust domain is not allowed`,
    {
      reason: 'bundle-own',
      fix: 'name another trust domain: the bundle of this one is that of its authorities, countersign authority x509',
    },
  )
}

export function bundleNotFound(): CountersignError {
  return new CountersignError('not-found', 'bundle not found', { reason: 'bundle-not-found' })
}

function bundleEvent(
  kind: 'bundle.set' | 'bundle.deleted',
  trustDomain: TrustDomain,
  time: Date,
  act: Act,
  details: AuditEvent['details'],
): AuditEvent {
  return { kind, time, ...act, spiffeId: TrustDomain.toId(trustDomain), decision: 'allow', details }
}
