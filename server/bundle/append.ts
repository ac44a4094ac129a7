import type { AuditEvent } from '../../src/audit/event.ts'
import type { Bundle, JwtAuthority, X509Authority } from '../../src/bundle/bundle.ts'
import { CountersignError } from '../../src/errors.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import { TrustDomain } from '../../src/spiffe-id/spiffe-id.ts'
import { parseCertificate } from '../../src/x509/certificate.ts'
import type { Changes } from '../changes/changes.ts'
import { loadBundles, putBundle } from '../store/bundles.ts'
import type { Store } from '../store/store.ts'
import { checkJwtAuthority, checkX509Authority, maxAuthorities } from './check-bundle.ts'

export interface BundleDeps {
  readonly trustDomain: TrustDomain
  readonly store: Pick<Store, 'write'>
  readonly changes: Pick<Changes, 'reached'>
  readonly clock: Clock
}

/** Who asks, for the trail. */
export type Act = Pick<AuditEvent, 'actor' | 'requestId' | 'trace'>

export interface Appended {
  readonly x509Authorities: readonly X509Authority[]
  readonly jwtAuthorities: readonly JwtAuthority[]
}

/**
 * Adds authorities of others to the trust domain's own bundle, where they stay until they end: what
 * is there already is not added again. Throws `invalid` (`bundle-empty`, `bundle-ended`,
 * `bundle-certificate`, `bundle-key-id`, …), `conflict` / `bundle-key-id` where the key ID is that
 * of another key, `exhausted` / `bundle-size`.
 */
export async function appendToOwn(deps: BundleDeps, given: Appended, act: Act): Promise<Bundle> {
  const now = deps.clock.now()
  const x509 = given.x509Authorities.flatMap(checkX509Authority)
  const jwt = given.jwtAuthorities.map(checkJwtAuthority)
  if (x509.length + jwt.length === 0) {
    throw new CountersignError('invalid', 'no authorities to append', { reason: 'bundle-empty' })
  }
  const ended =
    x509.some(({ certificate }) => parseCertificate(certificate).notAfter <= now) ||
    jwt.some(({ expiresAt }) => expiresAt !== undefined && expiresAt <= now)
  if (ended) {
    throw new CountersignError('invalid', 'an authority has ended already', {
      reason: 'bundle-ended',
    })
  }
  const { bundle, position } = await deps.store.write(async (tx) => {
    const [own] = await loadBundles(tx.db, [deps.trustDomain])
    if (own === undefined) {
      throw new CountersignError('not-found', 'bundle not found', { reason: 'bundle-missing' })
    }
    const bundle = joined(own, x509, jwt)
    if (bundle === own) return { bundle, position: 0 }
    tx.audit({
      kind: 'bundle.appended',
      time: now,
      ...act,
      spiffeId: TrustDomain.toId(deps.trustDomain),
      decision: 'allow',
      details: { x509: x509.length, keyIds: jwt.map(({ keyId }) => keyId).join(' ') },
    })
    return { bundle, position: await putBundle(tx, bundle) }
  })
  await deps.changes.reached(position)
  return bundle
}

/** The bundle itself where all of it is there already. */
function joined(own: Bundle, x509: readonly X509Authority[], jwt: readonly JwtAuthority[]): Bundle {
  const certificates = new Map(
    own.x509Authorities.map((authority) => [authority.certificate.toString('base64'), authority]),
  )
  for (const { certificate } of x509) {
    const key = certificate.toString('base64')
    if (!certificates.has(key)) certificates.set(key, { certificate, tainted: false })
  }
  const keys = new Map(own.jwtAuthorities.map((authority) => [authority.keyId, authority]))
  for (const authority of jwt) {
    const known = keys.get(authority.keyId)
    if (known !== undefined && !known.publicKey.equals(authority.publicKey)) {
      throw new CountersignError('conflict', 'another JWT authority has this key ID', {
        reason: 'bundle-key-id',
      })
    }
    keys.set(authority.keyId, known ?? { ...authority, tainted: false })
  }
  if (certificates.size > maxAuthorities || keys.size > maxAuthorities) {
    throw new CountersignError(
      'exhausted',
      `a bundle has at most ${maxAuthorities} authorities of a kind`,
      { reason: 'bundle-size' },
    )
  }
  const grown =
    certificates.size > own.x509Authorities.length || keys.size > own.jwtAuthorities.length
  return grown
    ? {
        ...own,
        x509Authorities: [...certificates.values()],
        jwtAuthorities: [...keys.values()],
        sequence: own.sequence + 1n,
      }
    : own
}
