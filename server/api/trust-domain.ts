import type { BundleLookup } from '../../src/bundle/bundle.ts'
import { CountersignError } from '../../src/errors.ts'
import { bundleToWire } from '../../src/rpc/convert.ts'
import type { BatchCreateFederationRelationshipRequest } from '../../src/rpc/gen/spire/api/server/trustdomain/v1/BatchCreateFederationRelationshipRequest.ts'
import type { BatchDeleteFederationRelationshipRequest } from '../../src/rpc/gen/spire/api/server/trustdomain/v1/BatchDeleteFederationRelationshipRequest.ts'
import type { BatchUpdateFederationRelationshipRequest } from '../../src/rpc/gen/spire/api/server/trustdomain/v1/BatchUpdateFederationRelationshipRequest.ts'
import type { GetFederationRelationshipRequest } from '../../src/rpc/gen/spire/api/server/trustdomain/v1/GetFederationRelationshipRequest.ts'
import type { ListFederationRelationshipsRequest } from '../../src/rpc/gen/spire/api/server/trustdomain/v1/ListFederationRelationshipsRequest.ts'
import type { RefreshBundleRequest } from '../../src/rpc/gen/spire/api/server/trustdomain/v1/RefreshBundleRequest.ts'
import type {
  FederationRelationship as WireRelationship,
  FederationRelationship$Input as WireRelationshipInput,
} from '../../src/rpc/gen/spire/api/types/FederationRelationship.ts'
import type { FederationRelationshipMask } from '../../src/rpc/gen/spire/api/types/FederationRelationshipMask.ts'
import { type RpcHandler, unary } from '../../src/rpc/handler.ts'
import { itemStatus } from '../../src/rpc/status.ts'
import { TrustDomain } from '../../src/spiffe-id/spiffe-id.ts'
import type { Caller } from '../access/caller.ts'
import {
  deleteRelationships,
  putRelationships,
  type RelationshipField,
  type RelationshipInput,
  type RelationshipResult,
  relationshipNotFound,
} from '../bundle/relationships.ts'
import { openCursor, pageSizeOf, sealCursor } from '../entry/cursor.ts'
import { listRelationships, loadRelationship } from '../store/federation.ts'
import type { FederationRelationship } from '../store/records.ts'
import { type ApiDeps, actOf } from './deps.ts'
import { bundleOrFault } from './federated-bundle.ts'
import { fittingPage, roomInAnswer, sizeOfBundle } from './message-size.ts'

/** Page tokens of relationships and of entries are sealed apart. */
const cursorScope = { id: 'federation' } as const

type Mask = FederationRelationshipMask | null

const noBundles: BundleLookup = { bundleOf: () => undefined }

type Deps = Pick<
  ApiDeps,
  'trustDomain' | 'store' | 'changes' | 'clock' | 'bundles' | 'federation' | 'cursorKey'
>

/** spire.api.server.trustdomain.v1.TrustDomain */
export function trustDomainHandlers(deps: Deps): Record<string, RpcHandler<Caller>> {
  const { db } = deps.store
  const toWire = (relationship: FederationRelationship, mask: Mask) =>
    relationshipToWire(relationship, mask, deps.bundles)
  const sizeOf = ({ trustDomain }: FederationRelationship): number => {
    const bundle = deps.bundles.bundleOf(trustDomain)
    return bundle === undefined ? trustDomain.length : sizeOfBundle(bundle)
  }
  /** What is done is answered as done, and without its bundle where that would be too much for a client. */
  const resultsToWire = (results: readonly RelationshipResult[], mask: Mask) => {
    const hasRoom = roomInAnswer()
    const toShow = (one: FederationRelationship) =>
      relationshipToWire(one, mask, hasRoom(sizeOf(one)) ? deps.bundles : noBundles)
    return {
      results: results.map((result) =>
        result instanceof CountersignError
          ? { status: itemStatus(result) }
          : { status: itemStatus(undefined), federation_relationship: toShow(result) },
      ),
    }
  }
  const find = async (name: string): Promise<FederationRelationship> => {
    const found = await loadRelationship(db, TrustDomain.parseIdOrName(name))
    if (found === undefined) throw relationshipNotFound()
    return found
  }
  return {
    ListFederationRelationships: unary(async (request: ListFederationRelationshipsRequest) => {
      const size = pageSizeOf(request.page_size)
      const after = openCursor(deps.cursorKey, cursorScope, request.page_token) ?? ''
      const found = await listRelationships(db, after, size + 1)
      const page = fittingPage(found.slice(0, size), sizeOf)
      const last = found.length > page.length ? page.at(-1) : undefined
      return {
        federation_relationships: page.map((one) => toWire(one, request.output_mask)),
        next_page_token:
          last === undefined ? '' : sealCursor(deps.cursorKey, cursorScope, last.trustDomain),
      }
    }),
    GetFederationRelationship: unary(async (request: GetFederationRelationshipRequest) =>
      toWire(await find(request.trust_domain), request.output_mask),
    ),
    BatchCreateFederationRelationship: unary(
      async (request: BatchCreateFederationRelationshipRequest, { caller }) => {
        const inputs = request.federation_relationships.map(inputFromWire)
        const results = await putRelationships(deps, inputs, { mode: 'create' }, actOf(caller))
        deps.federation.look()
        return resultsToWire(results, request.output_mask)
      },
    ),
    BatchUpdateFederationRelationship: unary(
      async (request: BatchUpdateFederationRelationshipRequest, { caller }) => {
        const inputs = request.federation_relationships.map(inputFromWire)
        const options = { mode: 'update', fields: fieldsOf(request.input_mask) } as const
        const results = await putRelationships(deps, inputs, options, actOf(caller))
        deps.federation.look()
        return resultsToWire(results, request.output_mask)
      },
    ),
    BatchDeleteFederationRelationship: unary(
      async ({ trust_domains }: BatchDeleteFederationRelationshipRequest, { caller }) => {
        const results = await deleteRelationships(deps, trust_domains, actOf(caller))
        deps.federation.look()
        return {
          results: results.map((error, at) => ({
            status: itemStatus(error),
            trust_domain: trust_domains[at] ?? '',
          })),
        }
      },
    ),
    RefreshBundle: unary(async ({ trust_domain }: RefreshBundleRequest, { caller }) => {
      await deps.federation.refresh(TrustDomain.parseIdOrName(trust_domain), actOf(caller))
      return {}
    }),
  }
}

function inputFromWire(wire: WireRelationship): RelationshipInput {
  const { https_web, https_spiffe, trust_domain_bundle } = wire
  return {
    trustDomain: wire.trust_domain,
    bundleEndpointUrl: wire.bundle_endpoint_url,
    profile:
      https_spiffe !== undefined && https_spiffe !== null
        ? { type: 'https_spiffe', endpointSpiffeId: https_spiffe.endpoint_spiffe_id }
        : https_web !== undefined && https_web !== null
          ? { type: 'https_web' }
          : undefined,
    bundle: trust_domain_bundle === null ? undefined : bundleOrFault(trust_domain_bundle),
  }
}

/** The trust domain is always there; without a mask all of it. */
function relationshipToWire(
  { trustDomain, bundleEndpointUrl, profile }: FederationRelationship,
  mask: Mask,
  bundles: BundleLookup,
): WireRelationshipInput {
  const shown = (field: keyof FederationRelationshipMask): boolean => mask === null || mask[field]
  const bundle = bundles.bundleOf(trustDomain)
  return {
    trust_domain: trustDomain,
    ...(shown('bundle_endpoint_url') && { bundle_endpoint_url: bundleEndpointUrl }),
    ...(shown('bundle_endpoint_profile') &&
      (profile.type === 'https_web'
        ? { https_web: {} }
        : { https_spiffe: { endpoint_spiffe_id: profile.endpointSpiffeId } })),
    ...(shown('trust_domain_bundle') &&
      bundle !== undefined && { trust_domain_bundle: bundleToWire(bundle) }),
  }
}

function fieldsOf(mask: Mask): ReadonlySet<RelationshipField> | undefined {
  if (mask === null) return undefined
  const fields: RelationshipField[] = []
  if (mask.bundle_endpoint_url) fields.push('bundleEndpointUrl')
  if (mask.bundle_endpoint_profile) fields.push('profile')
  if (mask.trust_domain_bundle) fields.push('bundle')
  return new Set(fields)
}
