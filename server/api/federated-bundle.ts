import type { Bundle } from '../../src/bundle/bundle.ts'
import { asCountersignError, type CountersignError } from '../../src/errors.ts'
import { bundleFromWire, bundleToWire, maskBundle } from '../../src/rpc/convert.ts'
import type { BatchCreateFederatedBundleRequest } from '../../src/rpc/gen/spire/api/server/bundle/v1/BatchCreateFederatedBundleRequest.ts'
import type { BatchDeleteFederatedBundleRequest } from '../../src/rpc/gen/spire/api/server/bundle/v1/BatchDeleteFederatedBundleRequest.ts'
import type { BatchSetFederatedBundleRequest } from '../../src/rpc/gen/spire/api/server/bundle/v1/BatchSetFederatedBundleRequest.ts'
import type { BatchUpdateFederatedBundleRequest } from '../../src/rpc/gen/spire/api/server/bundle/v1/BatchUpdateFederatedBundleRequest.ts'
import type { Bundle as WireBundle } from '../../src/rpc/gen/spire/api/types/Bundle.ts'
import type { BundleMask } from '../../src/rpc/gen/spire/api/types/BundleMask.ts'
import { type RpcHandler, unary } from '../../src/rpc/handler.ts'
import { itemStatus } from '../../src/rpc/status.ts'
import type { Caller } from '../access/caller.ts'
import {
  type BundleField,
  deleteFederated,
  type PutMode,
  type PutResult,
  putFederated,
} from '../bundle/federated.ts'
import type { LeaveMode } from '../entry/leave.ts'
import { type ApiDeps, actOf } from './deps.ts'
import { roomInAnswer, sizeOfBundle } from './message-size.ts'

type Deps = Pick<
  ApiDeps,
  'trustDomain' | 'store' | 'changes' | 'clock' | 'registry' | 'writeFacts' | 'federation'
>

interface PutRequest {
  readonly bundle: readonly WireBundle[]
  readonly input_mask?: BundleMask | null
  readonly output_mask: BundleMask | null
}

const leaveModes: Readonly<Record<BatchDeleteFederatedBundleRequest['mode'], LeaveMode>> = {
  RESTRICT: 'restrict',
  DELETE: 'delete',
  DISSOCIATE: 'dissociate',
}

/** The writing half of spire.api.server.bundle.v1.Bundle. */
export function federatedBundleHandlers(deps: Deps): Record<string, RpcHandler<Caller>> {
  const put = async (mode: PutMode, request: PutRequest, caller: Caller) => {
    const options = { mode, fields: fieldsOf(request.input_mask) }
    const items = request.bundle.map(bundleOrFault)
    const results = await putFederated(deps, items, options, actOf(caller))
    // What was stale is so no longer.
    deps.federation.look()
    const hasRoom = roomInAnswer()
    return {
      results: results.map((result) =>
        putResultToWire(result, request.output_mask, (bundle) => hasRoom(sizeOfBundle(bundle))),
      ),
    }
  }
  return {
    BatchCreateFederatedBundle: unary((request: BatchCreateFederatedBundleRequest, { caller }) =>
      put('create', request, caller),
    ),
    BatchUpdateFederatedBundle: unary((request: BatchUpdateFederatedBundleRequest, { caller }) =>
      put('update', request, caller),
    ),
    BatchSetFederatedBundle: unary((request: BatchSetFederatedBundleRequest, { caller }) =>
      put('set', request, caller),
    ),
    BatchDeleteFederatedBundle: unary(
      async (request: BatchDeleteFederatedBundleRequest, { caller }) => {
        // An unknown number on the wire is the mode that deletes least.
        const mode = leaveModes[request.mode] ?? 'restrict'
        const act = actOf(caller)
        const results = await deleteFederated(
          deps,
          request.trust_domains,
          mode,
          (tx, trustDomain) => deps.registry.leaveTrustDomain(tx, trustDomain, mode, act),
          act,
        )
        return {
          results: results.map((error, at) => ({
            status: itemStatus(error),
            trust_domain: request.trust_domains[at] ?? '',
          })),
        }
      },
    ),
  }
}

/** A bundle that cannot be read is its item's refusal. */
export function bundleOrFault(wire: WireBundle): PutResult {
  try {
    return bundleFromWire(wire)
  } catch (error) {
    const fault = asCountersignError(error)
    if (fault.code === 'internal') throw error
    return fault
  }
}

/** What is done is answered as done; of a bundle that would be too much for a client, by its name alone. */
function putResultToWire(
  result: PutResult,
  mask: BundleMask | null,
  hasRoom: (bundle: Bundle) => boolean,
): object {
  if (isFault(result)) return { status: itemStatus(result) }
  return {
    status: itemStatus(undefined),
    bundle: hasRoom(result)
      ? maskBundle(bundleToWire(result), mask)
      : { trust_domain: result.trustDomain },
  }
}

function isFault(result: PutResult): result is CountersignError {
  return result instanceof Error
}

const maskFields: Readonly<Record<keyof BundleMask, readonly BundleField[]>> = {
  x509_authorities: ['x509Authorities'],
  jwt_authorities: ['jwtAuthorities'],
  refresh_hint: ['refreshHintSeconds'],
  sequence_number: ['sequence'],
  wit_authorities: [],
}

function fieldsOf(mask: BundleMask | null | undefined): ReadonlySet<BundleField> | undefined {
  if (mask === null || mask === undefined) return undefined
  const named = Object.entries(maskFields).filter(([name]) => mask[name as keyof BundleMask])
  return new Set(named.flatMap(([, fields]) => fields))
}
