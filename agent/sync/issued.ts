import type { BundleLookup } from '../../src/bundle/bundle.ts'
import type { Entry } from '../../src/entry/entry.ts'
import { CountersignError } from '../../src/errors.ts'
import { verifyX509Svid, type X509Svid } from '../../src/svid/x509-svid.ts'

/** What was asked for: an SVID of this entry for this key. */
export interface Asked {
  readonly entry: Entry
  /** SubjectPublicKeyInfo, DER. */
  readonly spki: Buffer
  /** PKCS#8, DER. */
  readonly privateKey: Buffer
}

/**
 * Checks what a server signed before any workload gets it: the entry's ID, our key, a chain to the
 * bundle of the ID's trust domain, valid now. Throws `unauthenticated`: `svid-…`, of which
 * `svid-foreign-id` and `svid-foreign-key` say that it is not what was asked for.
 */
export function checkIssued(
  asked: Asked,
  chain: readonly Buffer[],
  bundles: BundleLookup,
  now: Date,
): X509Svid {
  const { spiffeId, leaf } = verifyX509Svid(chain, bundles, now)
  if (spiffeId !== asked.entry.spiffeId) {
    refuse('svid-foreign-id', `the server answered with ${spiffeId}`)
  }
  if (!leaf.spki.equals(asked.spki)) refuse('svid-foreign-key', 'the server signed another key')
  return {
    spiffeId,
    chain,
    privateKey: asked.privateKey,
    notBefore: leaf.notBefore,
    expiresAt: leaf.notAfter,
  }
}

function refuse(reason: string, message: string): never {
  throw new CountersignError('unauthenticated', message, { reason })
}
