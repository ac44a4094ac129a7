import { readFile } from 'node:fs/promises'
import type { Bundle, BundleLookup } from '../../src/bundle/bundle.ts'
import { sameBundle } from '../../src/bundle/document.ts'
import { CountersignError } from '../../src/errors.ts'
import type { EndpointProfile } from '../../src/federation/connect.ts'
import { fetchBundle } from '../../src/federation/fetch-bundle.ts'
import { parseNetworks } from '../../src/federation/networks.ts'
import { checkSuccessor } from '../../src/federation/successor.ts'
import { SpiffeId } from '../../src/spiffe-id/spiffe-id.ts'
import { putConfirmation } from '../store/bundle-confirmations.ts'
import { loadBundles } from '../store/bundles.ts'
import { loadRelationship } from '../store/federation.ts'
import type { FederationRelationship } from '../store/records.ts'
import type { Act, BundleDeps } from './append.ts'
import { putOne } from './federated.ts'
import type { FederationSettings } from './settings.ts'

export interface RefreshDeps extends BundleDeps {
  readonly bundles: BundleLookup
  readonly settings: FederationSettings
}

/** Whether both say the same of whom to ask where. */
export function sameEndpoint(a: FederationRelationship, b: FederationRelationship): boolean {
  return (
    a.bundleEndpointUrl === b.bundleEndpointUrl &&
    endpointIdOf(a.profile) === endpointIdOf(b.profile)
  )
}

function endpointIdOf(profile: FederationRelationship['profile']): string | undefined {
  return profile.type === 'https_spiffe' ? profile.endpointSpiffeId : undefined
}

/**
 * Fetches the bundle of a relationship and keeps it; resolves once this server answers with it. What is
 * held stays where anything fails. Throws as `fetchBundle`, `conflict` / `federation-changed` where the
 * relationship is another one meanwhile, `invalid` (`bundle-…`, `federation-web-ca`).
 */
export async function refreshBundle(
  deps: RefreshDeps,
  relationship: FederationRelationship,
  act: Act,
  signal: AbortSignal,
): Promise<'changed' | 'unchanged'> {
  const { trustDomain } = relationship
  const held = deps.bundles.bundleOf(trustDomain)
  const fetched = await fetchBundle({
    trustDomain,
    url: relationship.bundleEndpointUrl,
    profile: await profileOf(deps, relationship),
    held,
    allowedNetworks: parseNetworks(deps.settings.allowedNetworks),
    allowedPorts: deps.settings.allowedPorts,
    signal,
    clock: deps.clock,
  })
  const isNew = held?.sequence !== fetched.sequence || !sameBundle(held, fetched)
  await keep(deps, relationship, fetched, isNew, act)
  return isNew ? 'changed' : 'unchanged'
}

/** One that is held already is noted as still being that of its trust domain. */
async function keep(
  deps: RefreshDeps,
  relationship: FederationRelationship,
  fetched: Bundle,
  isNew: boolean,
  act: Act,
): Promise<void> {
  const position = await deps.store.write(async (tx) => {
    const now = await loadRelationship(tx.db, fetched.trustDomain)
    if (now === undefined || !sameEndpoint(now, relationship)) {
      throw new CountersignError('conflict', 'the relationship has been changed meanwhile', {
        reason: 'federation-changed',
      })
    }
    if (!isNew) {
      await putConfirmation(tx, fetched.trustDomain, deps.clock.now())
      return 0
    }
    const [held] = await loadBundles(tx.db, [fetched.trustDomain])
    checkSuccessor(fetched, held)
    await putOne(deps, tx, fetched, { mode: 'set' }, act)
    return tx.lastChange
  })
  await deps.changes.reached(position)
}

async function profileOf(
  { bundles, settings }: RefreshDeps,
  { profile }: FederationRelationship,
): Promise<EndpointProfile> {
  if (profile.type === 'https_spiffe') {
    const there = SpiffeId.trustDomainOf(SpiffeId.parse(profile.endpointSpiffeId))
    if (bundles.bundleOf(there) === undefined) throw nothingToBelieve(there)
    return { type: 'https_spiffe', endpointId: profile.endpointSpiffeId, bundles }
  }
  return settings.webCa === undefined
    ? { type: 'https_web' }
    : { type: 'https_web', ca: [await readCa(settings.webCa)] }
}

function nothingToBelieve(trustDomain: string): CountersignError {
  return new CountersignError(
    'unauthenticated',
    `there is no bundle of ${trustDomain} yet to know its endpoint by`,
    {
      reason: 'svid-no-bundle',
      fix: `have its operator send the first, and give it to: countersign bundle set --trust-domain ${trustDomain} --file FILE`,
    },
  )
}

async function readCa(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (cause) {
    throw new CountersignError('invalid', 'the CAs for https_web cannot be read', {
      reason: 'federation-web-ca',
      fix: 'let federation.web_ca name a PEM file that this process may read',
      cause,
    })
  }
}
