import type { SecureContextOptions } from 'node:tls'
import type { CountersignError } from '../../../src/errors.ts'
import { contextOptions } from '../../../src/mtls/context.ts'
import { keysAt } from '../../../src/resource-server/jwks.ts'
import { createRevocationFeed, type RevocationFeed } from '../../../src/revocation/feed-client.ts'
import { feedAt } from '../../../src/revocation/https-feed.ts'
import type { Clock } from '../../../src/runtime/clock.ts'
import { eachMinute } from '../../../src/runtime/each-minute.ts'
import type { Log } from '../../../src/runtime/log.ts'
import type { X509Svid } from '../../../src/svid/x509-svid.ts'

export interface FeedDeps {
  readonly issuer: string
  /** PEM, in place of what Node knows. */
  readonly issuerCa: string | undefined
  readonly keys: (signal: AbortSignal) => Promise<string>
  /** The broker's own, as it is by then. */
  readonly svid: () => X509Svid
  readonly clock: Clock
  readonly log: Log
}

const protocol = { minVersion: 'TLSv1.2', alpn: [] } as const

/** What the issuer has revoked, told to this broker by its SVID: some resource of the server names it in `served_by`. */
export function openFeed(deps: FeedDeps): RevocationFeed {
  const { issuer, issuerCa, svid, clock, log } = deps
  const lost = eachMinute<CountersignError>(
    clock,
    ({ reason }) => reason,
    (error) => log.warn('what was revoked cannot be followed: no calls are made', { error }),
  )
  return createRevocationFeed({
    issuer,
    clock,
    ...feedAt({
      url: `${issuer}/oauth/feed`,
      clientId: () => svid().spiffeId,
      tls: () => shown(svid(), issuerCa),
    }),
    keyOf: keysAt(deps.keys, clock),
    onTrouble(error) {
      // A stream that ends is begun again at once.
      if (error.reason !== 'feed-ended') lost(error)
    },
  })
}

function shown(svid: X509Svid, issuerCa: string | undefined): SecureContextOptions {
  const { ca: _, ...options } = contextOptions(svid, protocol)
  return { ...options, ...(issuerCa !== undefined && { ca: issuerCa }) }
}
