import { z } from 'zod'
import { asCountersignError, CountersignError } from '../../../src/errors.ts'
import { parseJsonObject } from '../../../src/jwt/strict-json.ts'
import { eachMinute } from '../../../src/runtime/each-minute.ts'
import type { Log } from '../../../src/runtime/log.ts'
import { readBounded } from '../named-file.ts'
import type { Reach } from '../reach-settings.ts'
import { claimText } from './claims.ts'
import type { ForeignToken } from './foreign-token.ts'
import { fetchWithin, type ReachDeps } from './reach.ts'
import type { TokenReviewSettings } from './settings.ts'
import { SubjectRefusal } from './subject-refusal.ts'

const path = '/apis/authentication.k8s.io/v1/tokenreviews'
const podUidKey = 'authentication.kubernetes.io/pod-uid'

/** What the API server says of a token (authentication.k8s.io/v1 TokenReview, `status`). */
const review = z.looseObject({
  status: z.looseObject({
    authenticated: z.boolean().optional(),
    audiences: z.array(z.string()).max(64).optional(),
    user: z
      .looseObject({
        uid: z.string().optional(),
        extra: z.record(z.string(), z.array(z.string())).optional(),
      })
      .optional(),
  }),
})

/** Of all that wait for an answer of one API server: a pod that asks on and on is not to take it from others. */
const maxWaiting = 32

/**
 * Asks the API server whether a token is good still: of a pod or an account that is gone it is not, whatever its
 * `exp`. Resolves at once for an issuer without one. Throws `invalid` `subject-review`, `unavailable`
 * `token-review-unavailable`, `exhausted` `token-review-busy`.
 */
export type TokenReview = (token: string, verified: ForeignToken) => Promise<void>

export function createTokenReview(deps: ReachDeps & { readonly log: Log }): TokenReview {
  const waiting = new Map<string, number>()
  const warn = eachMinute(
    deps.clock,
    ({ url, error }: { readonly url: string; readonly error: unknown }) =>
      `${asCountersignError(error).reason} ${url}`,
    (fields) => deps.log.warn('the API server cannot be asked about a token', fields),
  )
  return async (token, verified) => {
    const { issuer, claims, podUid } = verified
    const { tokenReview: settings, audience, reach } = issuer
    if (settings === undefined) return
    const { url } = settings
    const others = waiting.get(url) ?? 0
    if (others >= maxWaiting) throw busy()
    waiting.set(url, others + 1)
    let text: string
    try {
      text = await ask(settings, reach, { token, audiences: [audience] }, deps)
    } catch (error) {
      warn({ url, error })
      throw unavailable(error)
    } finally {
      const left = (waiting.get(url) ?? 1) - 1
      if (left > 0) waiting.set(url, left)
      else waiting.delete(url)
    }
    const { authenticated, audiences, user } = statusIn(text)
    const uid = claimText(claims, 'kubernetes.io/serviceaccount/uid')
    const isSame = uid !== undefined && user?.uid === uid && user.extra?.[podUidKey]?.[0] === podUid
    if (authenticated !== true || audiences?.includes(audience) !== true || !isSame) {
      throw new SubjectRefusal('subject-review', verified)
    }
  }
}

async function ask(
  { url, caFile, tokenFile }: TokenReviewSettings,
  reach: Reach,
  spec: { readonly token: string; readonly audiences: readonly string[] },
  deps: ReachDeps,
): Promise<string> {
  const bearer = (await readBounded(tokenFile)).trim()
  const body = JSON.stringify({
    apiVersion: 'authentication.k8s.io/v1',
    kind: 'TokenReview',
    spec,
  })
  return fetchWithin({ ...reach, webCa: caFile }, `${url.replace(/\/$/, '')}${path}`, deps, {
    post: { authorization: `Bearer ${bearer}`, body },
  })
}

function statusIn(text: string): z.infer<typeof review>['status'] {
  try {
    return review.parse(parseJsonObject(text).members).status
  } catch (cause) {
    throw unavailable(cause)
  }
}

function unavailable(cause: unknown): CountersignError {
  return new CountersignError('unavailable', 'the API server cannot be asked about the token', {
    reason: 'token-review-unavailable',
    retryAfterMs: 5000,
    cause,
  })
}

function busy(): CountersignError {
  return new CountersignError('exhausted', 'too many wait for the API server', {
    reason: 'token-review-busy',
    retryAfterMs: 1000,
  })
}
