import type { CountersignError } from '../errors.ts'
import { createRevocationFeed, type RevocationFeed } from '../revocation/feed-client.ts'
import { type FeedLocation, feedAt } from '../revocation/https-feed.ts'
import { type Clock, systemClock } from '../runtime/clock.ts'
import { type JwksLocation, keysAt } from './jwks.ts'

/** Where an issuer tells what it has revoked, and who reads it: an ID that a resource names in `served_by`. */
export interface RevocationFeedOptions extends Omit<FeedLocation, 'url'> {
  /** The authorization server, exactly as its tokens say it in `iss`. */
  readonly issuer: string
  /** `ISSUER/oauth/feed` unless told. */
  readonly url?: string
  /** The keys of the feed: `ISSUER/oauth/feed-keys` unless told. */
  readonly keys?: JwksLocation
  /** Older knowledge is not relied on; 700 ms unless told. */
  readonly staleAfterMs?: number
  /** Told of each connection that failed or ended. */
  readonly onTrouble?: (error: CountersignError) => void
  readonly clock?: Clock
}

/**
 * What an issuer has revoked, for `revocations` of a verifier. It knows nothing before `run` is called, and is late when
 * that has ended. Throws `invalid`: `feed-url`, `jwks-url`.
 */
export function revocationFeed(options: RevocationFeedOptions): RevocationFeed {
  const { issuer, url = `${issuer}/oauth/feed`, clock = systemClock } = options
  return createRevocationFeed({
    ...options,
    clock,
    ...feedAt({ ...options, url }),
    keyOf: keysAt(options.keys ?? `${issuer}/oauth/feed-keys`, clock),
  })
}
