import type { Bundle, JwtAuthority, X509Authority } from '../../src/bundle/bundle.ts'
import { CountersignError } from '../../src/errors.ts'
import { publicJwk } from '../../src/jwt/jwk.ts'
import { parseCertificate, splitCertificates } from '../../src/x509/certificate.ts'

/** Of each kind in one bundle. */
export const maxAuthorities = 200
const maxKeyIdLength = 256

/** A bundle from outside, each of its authorities looked into. Throws as the two below, and `invalid` / `bundle-size`. */
export function checkBundle(bundle: Bundle): Bundle {
  const x509Authorities = bundle.x509Authorities.flatMap(checkX509Authority)
  const jwtAuthorities = bundle.jwtAuthorities.map(checkJwtAuthority)
  if (x509Authorities.length > maxAuthorities || jwtAuthorities.length > maxAuthorities) {
    throw new CountersignError(
      'invalid',
      `a bundle has at most ${maxAuthorities} authorities of a kind`,
      { reason: 'bundle-size' },
    )
  }
  if (new Set(jwtAuthorities.map(({ keyId }) => keyId)).size < jwtAuthorities.length) {
    throw new CountersignError('invalid', 'two JWT authorities have the same key ID', {
      reason: 'bundle-key-id',
    })
  }
  return { ...bundle, x509Authorities, jwtAuthorities }
}

/** The CA certificates that one field holds, DER one after the other. Throws `invalid`: `bundle-certificate`, `certificate-…`. */
export function checkX509Authority({ certificate, tainted }: X509Authority): X509Authority[] {
  const certificates = splitCertificates(certificate)
  if (certificates.length === 0) throw notACa()
  return certificates.map((der) => {
    if (parseCertificate(der).basicConstraints?.ca !== true) throw notACa()
    return { certificate: der, tainted }
  })
}

function notACa(): CountersignError {
  return new CountersignError('invalid', 'an X.509 authority is a CA certificate', {
    reason: 'bundle-certificate',
  })
}

/** Throws `invalid`: `bundle-key-id`, `key-…`, `jwk-key-kind`. */
export function checkJwtAuthority(authority: JwtAuthority): JwtAuthority {
  const { keyId, publicKey } = authority
  if (keyId === '' || keyId.length > maxKeyIdLength) {
    throw new CountersignError('invalid', 'a JWT authority has a key ID', {
      reason: 'bundle-key-id',
    })
  }
  publicJwk(publicKey)
  return authority
}
