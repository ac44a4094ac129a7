import type { Entry } from '../../src/entry/entry.ts'
import { CountersignError } from '../../src/errors.ts'
import type { JWTSVIDRequest } from '../../src/rpc/gen/JWTSVIDRequest.ts'
import type { JWTSVIDResponse$Input } from '../../src/rpc/gen/JWTSVIDResponse.ts'
import { SpiffeId } from '../../src/spiffe-id/spiffe-id.ts'
import { type AttestedCall, currentUpdate, type HandlerDeps, noIdentity } from './handler-deps.ts'

/** What a request asks for, checked before anything is spent on the caller. */
export interface JwtQuestion {
  readonly audience: readonly string[]
  readonly spiffeId: SpiffeId | undefined
}

/** Workload API §6.2.1. Throws `invalid` (`audience-…`, `spiffe-id-…`). */
export function checkJwtRequest(
  request: JWTSVIDRequest,
  limits: HandlerDeps['limits'],
): JwtQuestion {
  const { audience, spiffe_id: id } = request
  if (audience.length === 0 || audience.includes('')) {
    throw new CountersignError('invalid', 'audience must be specified', {
      reason: 'audience-missing',
    })
  }
  if (audience.length > limits.audiences) {
    throw new CountersignError('invalid', `at most ${limits.audiences} audiences are allowed`, {
      reason: 'audience-too-many',
    })
  }
  if (audience.some((one) => Buffer.byteLength(one) > limits.audienceBytes)) {
    throw new CountersignError('invalid', `an audience has at most ${limits.audienceBytes} bytes`, {
      reason: 'audience-too-long',
    })
  }
  return {
    audience: [...new Set(audience)],
    spiffeId: id === '' ? undefined : SpiffeId.parse(id),
  }
}

/** A token for each identity of the caller, or for the one that it names. */
export async function fetchJwtSvids(
  deps: HandlerDeps,
  call: AttestedCall,
  question: JwtQuestion,
): Promise<JWTSVIDResponse$Input> {
  const entries = withDistinctHints(currentUpdate(deps, call).entries).filter(
    (entry) => question.spiffeId === undefined || entry.spiffeId === question.spiffeId,
  )
  if (entries.length === 0) throw noIdentity()
  const svids = await Promise.all(
    entries.map(async (entry) => {
      const { token } = await deps.jwt.fetch(entry, question.audience, call)
      return { spiffe_id: entry.spiffeId, svid: token, hint: entry.hint }
    }),
  )
  call.confirm()
  return { svids }
}

/** Of entries with one hint the first counts (Workload API §6.2.1); no hint is no clash. */
function withDistinctHints(entries: readonly Entry[]): readonly Entry[] {
  const seen = new Set<string>()
  return entries.filter(({ hint }) => {
    if (hint === '') return true
    if (seen.has(hint)) return false
    seen.add(hint)
    return true
  })
}
