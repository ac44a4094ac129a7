import type { AuditEvent } from '../../src/audit/event.ts'
import type { Bundle } from '../../src/bundle/bundle.ts'
import { CountersignError } from '../../src/errors.ts'
import { parseEndpointUrl } from '../../src/federation/endpoint-url.ts'
import { SpiffeId, TrustDomain } from '../../src/spiffe-id/spiffe-id.ts'
import {
  countRelationships,
  deleteRelationship,
  loadRelationship,
  putRelationship,
} from '../store/federation.ts'
import type { BundleEndpointProfile, FederationRelationship } from '../store/records.ts'
import type { WriteTx } from '../store/store.ts'
import type { Act, BundleDeps } from './append.ts'
import { checkBatch, type PutResult, putOne, refusable, refuseOwn } from './federated.ts'

export const maxRelationships = 1000

/** A relationship as somebody asks for it; nothing of it is checked yet. */
export interface RelationshipInput {
  readonly trustDomain: string
  readonly bundleEndpointUrl: string
  readonly profile:
    | { readonly type: 'https_web' }
    | { readonly type: 'https_spiffe'; readonly endpointSpiffeId: string }
    | undefined
  /** The bundle to begin with, or why it could not be read. */
  readonly bundle: PutResult | undefined
}

export type RelationshipField = 'bundleEndpointUrl' | 'profile' | 'bundle'

/** What became of each item, in order. */
export type RelationshipResult = FederationRelationship | CountersignError

/**
 * Creates relationships, or replaces `fields` (undefined: all) of those that there are; each item for
 * itself, all in one write. A bundle that comes with one is put as by an operator. Items are refused with
 * `invalid` (`federation-…`, `bundle-…`), `exists` / `federation-exists`, `not-found` /
 * `federation-not-found`, `exhausted` / `federation-count`.
 */
export async function putRelationships(
  deps: BundleDeps,
  inputs: readonly RelationshipInput[],
  options: {
    readonly mode: 'create' | 'update'
    readonly fields?: ReadonlySet<RelationshipField> | undefined
  },
  act: Act,
): Promise<readonly RelationshipResult[]> {
  checkBatch(inputs)
  const { position, results } = await deps.store.write(async (tx) => {
    const results: RelationshipResult[] = []
    for (const input of inputs) {
      results.push(await refusable(() => putItem(deps, tx, input, options, act)))
    }
    return { results, position: tx.lastChange }
  })
  await deps.changes.reached(position)
  return results
}

async function putItem(
  deps: BundleDeps,
  tx: WriteTx,
  input: RelationshipInput,
  options: Parameters<typeof putRelationships>[2],
  act: Act,
): Promise<FederationRelationship> {
  const trustDomain = TrustDomain.parseIdOrName(input.trustDomain)
  refuseOwn(trustDomain, deps.trustDomain)
  const before = await loadRelationship(tx.db, trustDomain)
  if (options.mode === 'create') await checkNew(tx, before)
  else if (before === undefined) throw relationshipNotFound()
  const replaces = (field: RelationshipField): boolean =>
    before === undefined || options.fields === undefined || options.fields.has(field)
  const relationship: FederationRelationship = {
    trustDomain,
    bundleEndpointUrl:
      before === undefined || replaces('bundleEndpointUrl')
        ? parseEndpointUrl(input.bundleEndpointUrl).href
        : before.bundleEndpointUrl,
    profile:
      before === undefined || replaces('profile') ? checkProfile(input.profile) : before.profile,
  }
  if (input.bundle !== undefined && replaces('bundle')) {
    await putOne(deps, tx, ofDomain(input.bundle, trustDomain), { mode: 'set' }, act)
  }
  await putRelationship(tx, relationship)
  tx.audit(
    federationEvent(deps, 'federation.set', trustDomain, act, {
      bundleEndpointUrl: relationship.bundleEndpointUrl,
      profile: relationship.profile.type,
    }),
  )
  return relationship
}

async function checkNew(tx: WriteTx, before: FederationRelationship | undefined): Promise<void> {
  if (before !== undefined) {
    throw new CountersignError('exists', 'federation relationship already exists', {
      reason: 'federation-exists',
      fix: 'update it, or delete it first',
    })
  }
  if ((await countRelationships(tx.db)) >= maxRelationships) {
    throw new CountersignError(
      'exhausted',
      `there are at most ${maxRelationships} federation relationships`,
      { reason: 'federation-count' },
    )
  }
}

function checkProfile(profile: RelationshipInput['profile']): BundleEndpointProfile {
  if (profile === undefined) {
    throw new CountersignError('invalid', 'the bundle endpoint profile is missing', {
      reason: 'federation-profile',
      fix: 'name https_web or https_spiffe',
    })
  }
  return profile.type === 'https_web'
    ? { type: 'https_web' }
    : { type: 'https_spiffe', endpointSpiffeId: SpiffeId.parse(profile.endpointSpiffeId) }
}

function ofDomain(bundle: PutResult, trustDomain: TrustDomain): Bundle {
  if (bundle instanceof CountersignError) throw bundle
  if (bundle.trustDomain === trustDomain) return bundle
  throw new CountersignError(
    'invalid',
    'the bundle must be that of the trust domain of the federation relationship',
    { reason: 'federation-bundle' },
  )
}

/** Deletes relationships, each item for itself; undefined where it is done. Their bundles stay. */
export async function deleteRelationships(
  deps: BundleDeps,
  names: readonly string[],
  act: Act,
): Promise<readonly (undefined | CountersignError)[]> {
  checkBatch(names)
  return deps.store.write(async (tx) => {
    const results: (undefined | CountersignError)[] = []
    for (const name of names) {
      const result = await refusable(async () => {
        const trustDomain = TrustDomain.parseIdOrName(name)
        if (!(await deleteRelationship(tx, trustDomain))) throw relationshipNotFound()
        tx.audit(federationEvent(deps, 'federation.deleted', trustDomain, act, {}))
        return undefined
      })
      results.push(result)
    }
    return results
  })
}

export function relationshipNotFound(): CountersignError {
  return new CountersignError('not-found', 'federation relationship does not exist', {
    reason: 'federation-not-found',
    fix: 'see which there are with: countersign federation list',
  })
}

function federationEvent(
  { clock }: BundleDeps,
  kind: 'federation.set' | 'federation.deleted',
  trustDomain: TrustDomain,
  act: Act,
  details: AuditEvent['details'],
): AuditEvent {
  const spiffeId = TrustDomain.toId(trustDomain)
  return { kind, time: clock.now(), ...act, spiffeId, decision: 'allow', details }
}
