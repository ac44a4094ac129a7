import { CountersignError } from '../errors.ts'
import type { JWTSVIDResponse } from '../rpc/gen/JWTSVIDResponse.ts'
import type { ValidateJWTSVIDResponse } from '../rpc/gen/ValidateJWTSVIDResponse.ts'
import { fromStruct } from '../rpc/struct.ts'
import type { Clock } from '../runtime/clock.ts'
import type { SpiffeId } from '../spiffe-id/spiffe-id.ts'
import { audienceGiven, type JwtSvid, jwtSvidOf, parseJwtSvid } from '../svid/jwt-svid.ts'
import { missingField } from './bundle-set.ts'
import type { Connection } from './connection.ts'
import type { HintedJwtSvid, JwtSvids } from './context.ts'
import type { FetchJwtOptions } from './options.ts'

/** What a JWT-SVID is asked for with. */
export interface JwtSvidRequest {
  readonly audience: readonly string[]
  /** Every identity of the process where undefined. */
  readonly spiffeId: SpiffeId | undefined
}

/** Throws as the methods of `WorkloadApiClient` do. */
export async function fetchJwtSvids(
  connection: Connection,
  clock: Clock,
  audience: string | readonly string[],
  { spiffeId, ...limits }: FetchJwtOptions,
): Promise<JwtSvids> {
  const request = { audience: audienceGiven(audience), spiffeId }
  const response = await connection.call(limits, ({ rpc }, call) =>
    rpc.unary('FetchJWTSVID', { audience: [...request.audience], spiffe_id: spiffeId ?? '' }, call),
  )
  return readJwtSvids(response, request, clock.now())
}

/**
 * `FetchJWTSVID`. Of two with one hint the first counts (§6.2.1). The signatures are not verified: they
 * are the Workload API's own. Throws `invalid`: `message-field`, `message-jwt-svid` (another than was
 * asked for, or one that has expired); `unauthenticated`: `token-…`.
 */
function readJwtSvids(response: JWTSVIDResponse, request: JwtSvidRequest, now: Date): JwtSvids {
  const svids: HintedJwtSvid[] = []
  const hints = new Set<string>()
  for (const { spiffe_id: id, svid: token, hint } of response.svids) {
    if (id === '' || token === '') missingField()
    const svid = parseJwtSvid(token)
    if (svid.spiffeId !== id || !answers(svid, request, now)) {
      throw new CountersignError('invalid', 'the Workload API gave another token than was asked', {
        reason: 'message-jwt-svid',
      })
    }
    if (hint === '' || !hints.has(hint)) svids.push({ ...svid, hint })
    hints.add(hint)
  }
  const [first, ...others] = svids
  if (first === undefined) return missingField()
  return [first, ...others]
}

function answers(svid: JwtSvid, { audience, spiffeId }: JwtSvidRequest, now: Date): boolean {
  return (
    (spiffeId === undefined || svid.spiffeId === spiffeId) &&
    audience.every((name) => svid.audience.includes(name)) &&
    svid.expiresAt > now
  )
}

/** `ValidateJWTSVID`. Throws `invalid` / `message-field` (§6.2.3: each field has to be there); `unauthenticated`: `token-…`. */
export function readValidation(response: ValidateJWTSVIDResponse, token: string): JwtSvid {
  const { spiffe_id: id, claims } = response
  if (id === '' || claims === null) return missingField()
  const svid = jwtSvidOf(token, fromStruct(claims))
  return svid.spiffeId === id ? svid : missingField()
}
