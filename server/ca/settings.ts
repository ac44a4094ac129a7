import { CountersignError } from '../../src/errors.ts'
import { formatDuration } from '../../src/runtime/duration.ts'
import type { TrustDomain } from '../../src/spiffe-id/spiffe-id.ts'
import type { KeyKind } from '../../src/x509/key.ts'
import type { AuthorityKind } from '../store/records.ts'

/** What signs tokens. */
export type JwtKind = Exclude<AuthorityKind, 'x509'>

export interface CaSettings {
  readonly trustDomain: TrustDomain
  /** Lifetime of an X.509 authority and of a JWT key. */
  readonly caTtlSeconds: number
  readonly x509KeyKind: KeyKind
  readonly jwtKeyKind: KeyKind
  /** A token for these alone is signed with RS256, whatever `jwtKeyKind` is. Exact. */
  readonly jwtRs256Audiences: readonly string[]
  /** Whether there is a key for access tokens, and one for the feed of revocations. */
  readonly oauth: boolean
  /** What that is; one of another kind signs until it is replaced. */
  readonly oauthKeyKind: KeyKind
  /** Whether there is one for events that receivers outside are told of. */
  readonly events: boolean
  readonly x509SvidTtlSeconds: number
  readonly jwtSvidTtlSeconds: number
  readonly agentTtlSeconds: number
  /** The `iss` of JWT-SVIDs; none where undefined. */
  readonly jwtIssuer: string | undefined
}

const authorityKinds: ReadonlySet<KeyKind> = new Set([
  'ec-p256',
  'ec-p384',
  'rsa-2048',
  'rsa-4096',
  'ed25519',
])

/** Throws `invalid`, reasons `ca-ttl` and `ca-key-kind`. */
export function checkCaSettings(settings: CaSettings): void {
  const ttls = [
    settings.caTtlSeconds,
    settings.x509SvidTtlSeconds,
    settings.jwtSvidTtlSeconds,
    settings.agentTtlSeconds,
  ]
  if (ttls.some((seconds) => !Number.isSafeInteger(seconds) || seconds < 1)) {
    throw new CountersignError('invalid', 'a time to live is at least one second', {
      reason: 'ca-ttl',
    })
  }
  // JWT-03: no algorithm of a JWT-SVID takes an Ed25519 key.
  if (!authorityKinds.has(settings.x509KeyKind) || !isJwtKind(settings.jwtKeyKind)) {
    throw new CountersignError('invalid', 'no authority can have a key of this kind', {
      reason: 'ca-key-kind',
      fix: 'use ec-p256, ec-p384, rsa-2048 or rsa-4096; ed25519 is for X.509 only',
    })
  }
}

function isJwtKind(kind: KeyKind): boolean {
  return authorityKinds.has(kind) && kind !== 'ed25519'
}

/** The sets of authorities that these settings ask for, and the key of each. */
export function keyKindsOf(settings: CaSettings): ReadonlyMap<AuthorityKind, KeyKind> {
  const kinds = new Map<AuthorityKind, KeyKind>([
    ['x509', settings.x509KeyKind],
    ['jwt', settings.jwtKeyKind],
    ['trail', 'ec-p256'],
  ])
  if (settings.jwtRs256Audiences.length > 0) kinds.set('jwt-rs256', 'rsa-2048')
  // CAEP Interoperability Profile 1.0: RS256, of 2048 bits or more.
  if (settings.events) kinds.set('events', 'rsa-2048')
  return settings.oauth ? kinds.set('oauth', settings.oauthKeyKind).set('feed', 'ec-p256') : kinds
}

/** Which set signs a token for this audience: whoever takes ES256 as well may read it too. */
export function jwtKindFor(audience: readonly string[], settings: CaSettings): JwtKind {
  const { jwtRs256Audiences } = settings
  return audience.length > 0 && audience.every((one) => jwtRs256Audiences.includes(one))
    ? 'jwt-rs256'
    : 'jwt'
}

/** SVIDs that live longer may be cut to their authority's end. Seconds. */
export function safeTtlSeconds(caTtlSeconds: number): number {
  return Math.min(caTtlSeconds / 6, 7 * 86_400)
}

/** What an operator should know of the settings; nothing here stops a start. */
export function warningsOf(
  settings: Pick<CaSettings, 'caTtlSeconds' | 'x509SvidTtlSeconds' | 'jwtSvidTtlSeconds'>,
): readonly string[] {
  const safe = safeTtlSeconds(settings.caTtlSeconds)
  const ttls = {
    x509_svid_ttl: settings.x509SvidTtlSeconds,
    jwt_svid_ttl: settings.jwtSvidTtlSeconds,
  }
  return Object.entries(ttls)
    .filter(([, seconds]) => seconds > safe)
    .map(
      ([name, seconds]) =>
        `${name} of ${formatDuration(seconds)} is more than a sixth of ca.ttl (${formatDuration(settings.caTtlSeconds)}): ` +
        `SVIDs may be cut short when the authority ends; at most ${formatDuration(Math.floor(safe))} is safe`,
    )
}

/** How often a peer should ask for the bundle again, seconds. */
export function refreshHintSeconds(caTtlSeconds: number): number {
  return Math.max(1, Math.min(300, Math.floor(caTtlSeconds / 10)))
}
