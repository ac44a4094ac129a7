import type { BundleLookup } from '../../src/bundle/bundle.ts'
import { CountersignError } from '../../src/errors.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import type { TrustDomain } from '../../src/spiffe-id/spiffe-id.ts'
import type { Updates, WorkloadUpdate } from '../cache/cache.ts'
import type { JwtSource } from '../cache/jwt.ts'
import type { Attested } from '../workload-attestation/attestation.ts'
import type { Asking } from '../workload-attestation/attestor.ts'
import type { EndpointLimits } from './limits.ts'

/** What the handlers of the Workload API are served from. */
export interface HandlerDeps {
  readonly updates: Updates
  readonly jwt: JwtSource
  readonly bundles: BundleLookup
  readonly trustDomain: TrustDomain
  readonly clock: Clock
  readonly limits: Pick<EndpointLimits, 'audiences' | 'audienceBytes'>
}

/** A caller whose process has been attested for this call. */
export interface AttestedCall extends Attested, Asking {}

/** Workload Endpoint §6; the text is what clients of SPIRE know. */
export function noIdentity(): CountersignError {
  return new CountersignError('forbidden', 'no identity issued', {
    reason: 'no-identity',
    fix: 'register an entry whose selectors match this workload',
  })
}

export function svidPending(): CountersignError {
  return new CountersignError('unavailable', 'the server has not signed an SVID yet', {
    reason: 'svid-pending',
    retryAfterMs: 1000,
  })
}

/** What there is for the caller now. Throws `unavailable` (`not-synced`) before the first sync. */
export function currentUpdate(deps: HandlerDeps, call: AttestedCall): WorkloadUpdate {
  const update = deps.updates.current(call.selectors)
  if (update === undefined) {
    throw new CountersignError('unavailable', 'nothing has come from the server yet', {
      reason: 'not-synced',
      retryAfterMs: 1000,
    })
  }
  return update
}
