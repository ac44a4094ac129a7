import type { Bundle, JwtAuthority, X509Authority } from '../../src/bundle/bundle.ts'
import { sameBundle } from '../../src/bundle/document.ts'
import type { TrustDomain } from '../../src/spiffe-id/spiffe-id.ts'
import { readCertificate } from '../../src/x509/certificate.ts'
import type { AuthorityRecord } from '../store/records.ts'

/**
 * The bundle that publishes these authorities, whatever their slot: what is prepared must be known
 * before it signs, what is old is needed until it ends. What others have appended stays until it
 * ends: all of `previous` that is none of the authorities that there were `before`. `previous`
 * itself where nothing would differ; otherwise its sequence plus one (TDB-05).
 */
export function ownBundle(options: {
  readonly trustDomain: TrustDomain
  readonly before: readonly AuthorityRecord[]
  readonly authorities: readonly AuthorityRecord[]
  readonly refreshHintSeconds: number
  readonly previous: Bundle | undefined
  readonly now: Date
}): Bundle {
  const { trustDomain, refreshHintSeconds, previous } = options
  const appended = appendedTo(previous, options.before, options.now)
  const oldestFirst = [...options.authorities].sort(
    (a, b) => a.notBefore.getTime() - b.notBefore.getTime() || (a.id < b.id ? -1 : 1),
  )
  const next: Bundle = {
    trustDomain,
    x509Authorities: [
      ...oldestFirst.filter(({ kind }) => kind === 'x509').map(x509Authority),
      ...appended.x509Authorities,
    ],
    jwtAuthorities: [
      ...oldestFirst.filter(signsJwtSvids).map(jwtAuthority),
      ...appended.jwtAuthorities,
    ],
    sequence: (previous?.sequence ?? 0n) + 1n,
    refreshHintSeconds,
  }
  return previous !== undefined && sameBundle(previous, next) ? previous : next
}

function appendedTo(
  previous: Bundle | undefined,
  before: readonly AuthorityRecord[],
  now: Date,
): Pick<Bundle, 'x509Authorities' | 'jwtAuthorities'> {
  const certificates = new Set(before.map(({ certificate }) => certificate.toString('base64')))
  const keyIds = new Set(before.filter(signsJwtSvids).map(({ id }) => id))
  return {
    x509Authorities: (previous?.x509Authorities ?? []).filter(
      ({ certificate }) =>
        !certificates.has(certificate.toString('base64')) &&
        readCertificate(certificate).notAfter > now,
    ),
    jwtAuthorities: (previous?.jwtAuthorities ?? []).filter(
      ({ keyId, expiresAt }) => !keyIds.has(keyId) && (expiresAt === undefined || expiresAt > now),
    ),
  }
}

/** A key for access tokens is in no bundle: what it signs must never pass for an SVID. */
function signsJwtSvids({ kind }: AuthorityRecord): boolean {
  return kind === 'jwt' || kind === 'jwt-rs256'
}

function x509Authority(record: AuthorityRecord): X509Authority {
  return { certificate: record.certificate, tainted: record.tainted }
}

function jwtAuthority(record: AuthorityRecord): JwtAuthority {
  return {
    keyId: record.id,
    publicKey: record.publicKey,
    expiresAt: record.notAfter,
    tainted: record.tainted,
  }
}
