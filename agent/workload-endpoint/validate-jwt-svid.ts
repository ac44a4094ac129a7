import type { BundleLookup } from '../../src/bundle/bundle.ts'
import { CountersignError } from '../../src/errors.ts'
import type { ValidateJWTSVIDRequest } from '../../src/rpc/gen/ValidateJWTSVIDRequest.ts'
import type { ValidateJWTSVIDResponse$Input } from '../../src/rpc/gen/ValidateJWTSVIDResponse.ts'
import { toStruct } from '../../src/rpc/struct.ts'
import { SpiffeId } from '../../src/spiffe-id/spiffe-id.ts'
import { type JwtSvid, verifyJwtSvid } from '../../src/svid/jwt-svid.ts'
import { type AttestedCall, currentUpdate, type HandlerDeps } from './handler-deps.ts'

/** Workload API §6.2.3. Throws `invalid` (`audience-missing`, `token-missing`). */
export function checkValidateRequest(
  request: ValidateJWTSVIDRequest,
  limits: HandlerDeps['limits'],
): void {
  if (request.audience === '') {
    throw new CountersignError('invalid', 'audience must be specified', {
      reason: 'audience-missing',
    })
  }
  if (Buffer.byteLength(request.audience) > limits.audienceBytes) {
    throw new CountersignError('invalid', `an audience has at most ${limits.audienceBytes} bytes`, {
      reason: 'audience-too-long',
    })
  }
  if (request.svid === '') {
    throw new CountersignError('invalid', 'svid must be specified', { reason: 'token-missing' })
  }
}

/**
 * Checks a token against the bundle of its subject's trust domain, as far as the caller may know
 * that: its own, and those that its entries federate with. All that is wrong with a token is `invalid`.
 */
export async function validateJwtSvid(
  deps: HandlerDeps,
  call: AttestedCall,
  request: ValidateJWTSVIDRequest,
): Promise<ValidateJWTSVIDResponse$Input> {
  const update = currentUpdate(deps, call)
  const bundles: BundleLookup = {
    bundleOf: (trustDomain) =>
      trustDomain === deps.trustDomain ? update.bundle : update.federated.get(trustDomain),
  }
  let svid: JwtSvid
  try {
    svid = await verifyJwtSvid(request.svid, {
      audience: request.audience,
      bundles,
      now: deps.clock.now(),
    })
  } catch (error) {
    if (!(error instanceof CountersignError) || error.code === 'internal') throw error
    throw new CountersignError('invalid', error.message, { reason: error.reason, cause: error })
  }
  call.confirm()
  return { spiffe_id: svid.spiffeId, claims: toStruct(claimsToTell(deps, svid)) }
}

/** Of a foreign trust domain's token only what the standard defines: the rest is not vouched for. */
function claimsToTell(deps: HandlerDeps, svid: JwtSvid): Readonly<Record<string, unknown>> {
  const claims = { ...svid.claims, aud: svid.audience }
  if (SpiffeId.trustDomainOf(svid.spiffeId) === deps.trustDomain) return claims
  const { sub, exp } = svid.claims
  return { sub, aud: svid.audience, exp }
}
