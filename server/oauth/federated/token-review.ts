import { z } from 'zod'
import { CountersignError } from '../../../src/errors.ts'
import { parseJsonObject } from '../../../src/jwt/strict-json.ts'
import type { Log } from '../../../src/runtime/log.ts'
import { claimText } from './claims.ts'
import { type ForeignToken, refuse } from './foreign-token.ts'
import { fetchWithin, type ReachDeps, readBounded } from './reach.ts'

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

/**
 * Asks the API server whether a token is good still: of a pod or an account that is gone it is not, whatever its
 * `exp`. Throws `invalid` `subject-review`, `unavailable` `token-review-unavailable`.
 */
export async function reviewToken(
  token: string,
  { issuer, claims, podUid }: ForeignToken,
  deps: ReachDeps & { readonly log: Log },
): Promise<void> {
  const settings = issuer.tokenReview
  if (settings === undefined) return
  let text: string
  try {
    const bearer = (await readBounded(settings.tokenFile)).trim()
    text = await fetchWithin(
      { ...issuer.reach, webCa: settings.caFile },
      `${settings.url.replace(/\/$/, '')}${path}`,
      deps,
      {
        post: {
          authorization: `Bearer ${bearer}`,
          body: JSON.stringify({
            apiVersion: 'authentication.k8s.io/v1',
            kind: 'TokenReview',
            spec: { token, audiences: [issuer.audience] },
          }),
        },
      },
    )
  } catch (cause) {
    deps.log.warn('the API server cannot be asked about a token', { url: settings.url, cause })
    throw unavailable(cause)
  }
  const { authenticated, audiences, user } = statusIn(text)
  const isSame =
    user?.uid === claimText(claims, 'kubernetes.io/serviceaccount/uid') &&
    user?.extra?.[podUidKey]?.[0] === podUid
  if (authenticated !== true || audiences?.includes(issuer.audience) !== true || !isSame) {
    refuse('subject-review')
  }
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
