import type { Bundle, JwtAuthority, X509Authority } from '../../src/bundle/bundle.ts'
import type { TrustDomain } from '../../src/spiffe-id/spiffe-id.ts'
import type { AuthorityRecord } from '../store/records.ts'

/**
 * The bundle that publishes these authorities, whatever their slot: what is prepared must be known
 * before it signs, what is old is needed until it ends. `previous` itself where nothing would differ;
 * otherwise its sequence plus one (TDB-05).
 */
export function ownBundle(
  trustDomain: TrustDomain,
  authorities: readonly AuthorityRecord[],
  refreshHintSeconds: number,
  previous: Bundle | undefined,
): Bundle {
  const oldestFirst = [...authorities].sort(
    (a, b) => a.notBefore.getTime() - b.notBefore.getTime() || (a.id < b.id ? -1 : 1),
  )
  const next: Bundle = {
    trustDomain,
    x509Authorities: oldestFirst.filter(({ kind }) => kind === 'x509').map(x509Authority),
    jwtAuthorities: oldestFirst.filter(({ kind }) => kind === 'jwt').map(jwtAuthority),
    sequence: (previous?.sequence ?? 0n) + 1n,
    refreshHintSeconds,
  }
  return previous !== undefined && sameContent(previous, next) ? previous : next
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

function sameContent(a: Bundle, b: Bundle): boolean {
  return fingerprint(a) === fingerprint(b)
}

function fingerprint(bundle: Bundle): string {
  return JSON.stringify([
    bundle.x509Authorities.map((one) => [one.certificate.toString('base64'), one.tainted]),
    bundle.jwtAuthorities.map((one) => [
      one.keyId,
      one.publicKey.toString('base64'),
      one.expiresAt?.getTime(),
      one.tainted,
    ]),
    bundle.refreshHintSeconds,
  ])
}
