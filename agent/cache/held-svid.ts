import type { Entry } from '../../src/entry/entry.ts'
import type { X509Svid } from '../../src/svid/x509-svid.ts'
import { readCertificate } from '../../src/x509/certificate.ts'

/** An X.509-SVID with what decides when it is replaced. Times of the monotonic clock, in ms. */
export interface HeldSvid {
  readonly svid: X509Svid
  /** What the entry wanted the certificate to show when it was asked for; see `shownBy`. */
  readonly shows: string
  /** Authority key identifiers of the whole chain, lower-case hex. */
  readonly signedBy: readonly string[]
  /** Half of what was left of its life when it came, ± 10 %, drawn once. */
  readonly renewAtMs: number
  readonly expiresAtMs: number
}

export interface Moment {
  readonly now: Date
  readonly monotonicMs: number
}

/** What of an entry its certificate shows: another of it asks for a new certificate. */
export function shownBy(entry: Entry): string {
  return JSON.stringify([entry.spiffeId, entry.x509SvidTtlSeconds, entry.dnsNames])
}

/** `chance` is a number from 0 to 1. Throws `invalid` where a certificate cannot be read. */
export function holdSvid(svid: X509Svid, shows: string, at: Moment, chance: number): HeldSvid {
  const lifeMs = svid.expiresAt.getTime() - svid.notBefore.getTime()
  const leftMs = Math.min(Math.max(svid.expiresAt.getTime() - at.now.getTime(), 0), lifeMs)
  const signedBy = svid.chain.flatMap((der) => {
    const keyId = readCertificate(der).authorityKeyId
    return keyId === undefined ? [] : [keyId.toString('hex')]
  })
  return {
    svid,
    shows,
    signedBy,
    renewAtMs: at.monotonicMs + leftMs * halfLife(chance),
    expiresAtMs: at.monotonicMs + leftMs,
  }
}

/** The part of a lifetime after which to renew: a half ± 10 % of it. */
export function halfLife(chance: number): number {
  return 0.45 + 0.1 * chance
}
