import { createPrivateKey } from 'node:crypto'
import type { Bundle, BundleLookup } from '../bundle/bundle.ts'
import { CountersignError } from '../errors.ts'
import { SpiffeId } from '../spiffe-id/spiffe-id.ts'
import { type Certificate, parseCertificate } from '../x509/certificate.ts'
import { checkDates, verifyChain } from '../x509/chain.ts'
import { checkRevocation } from '../x509/crl.ts'
import { spkiOf } from '../x509/key.ts'

/** An identity with its key: what a workload is given. */
export interface X509Svid {
  readonly spiffeId: SpiffeId
  /** DER, leaf first, without the root. */
  readonly chain: readonly Buffer[]
  /** PKCS#8, DER. */
  readonly privateKey: Buffer
  readonly notBefore: Date
  readonly expiresAt: Date
}

const MAX_CHAIN = 10

/** Whom a presented chain has proved its holder to be. */
export interface VerifiedX509Svid {
  readonly spiffeId: SpiffeId
  readonly leaf: Certificate
  /** That of the bundle at which the chain ends. */
  readonly authority: Certificate
  /** From the leaf to the authority. */
  readonly path: readonly Certificate[]
}

/**
 * Checks a presented chain, DER, leaf first, by every rule for validators of X509-SVID §5 against the
 * bundle of the leaf's own trust domain, and no other, and against the CRLs that came with it. A
 * tainted authority still counts. Throws
 * `unauthenticated`: `svid-chain-empty`, `svid-too-long`, `svid-certificate-…`, `svid-uri-count`,
 * `svid-id`, `svid-root-path`, `svid-leaf-is-ca`, `svid-key-usage`, `svid-no-bundle`, `svid-chain-…`,
 * `svid-crl-…`.
 */
export function verifyX509Svid(
  chain: readonly Uint8Array[],
  bundles: BundleLookup,
  now: Date,
): VerifiedX509Svid {
  if (chain.length === 0) refuse('svid-chain-empty', 'there is no certificate')
  if (chain.length > MAX_CHAIN) refuse('svid-too-long', 'there are too many certificates')
  return asUnauthenticated(() => {
    const [leaf, ...intermediates] = chain.map(parseCertificate) as [Certificate, ...Certificate[]]
    const spiffeId = leafId(leaf)
    const bundle = bundles.bundleOf(SpiffeId.trustDomainOf(spiffeId))
    if (bundle === undefined) refuse('svid-no-bundle', 'the trust domain is not known here')
    const path = verifyChain({ leaf, intermediates, roots: rootsOf(bundle), now })
    checkRevocation(path, bundle.crls ?? [], now)
    return { spiffeId, leaf, authority: path.at(-1) as Certificate, path }
  })
}

/** Whether what was verified once would be by now: its dates, the bundle and the CRLs are looked at again. */
export function holdsStill(
  { spiffeId, path, authority }: VerifiedX509Svid,
  bundles: BundleLookup,
  now: Date,
): boolean {
  const bundle = bundles.bundleOf(SpiffeId.trustDomainOf(spiffeId))
  if (bundle === undefined || !isAuthorityOf(bundle, authority)) return false
  try {
    checkDates(path, now)
    checkRevocation(path, bundle.crls ?? [], now)
    return true
  } catch (error) {
    if (error instanceof CountersignError) return false
    throw error
  }
}

/**
 * The ID that a leaf claims, by every rule that needs no authority: nobody vouches for it. Throws as
 * `verifyX509Svid`.
 */
export function claimedId(leaf: Uint8Array, now: Date): SpiffeId {
  return asUnauthenticated(() => {
    const certificate = parseCertificate(leaf)
    checkDates([certificate], now)
    return leafId(certificate)
  })
}

/** Whether this authority, as `verifyX509Svid` gave it, is in the bundle still. */
export function isAuthorityOf(bundle: Bundle, authority: Certificate): boolean {
  const present = rootsOf(bundle)
  return present.includes(authority) || present.some((one) => one.der.equals(authority.der))
}

/** X509-SVID §2, §3.1, §5.2: the ID of a certificate that may stand for a workload. Throws `unauthenticated`. */
function leafId(leaf: Certificate): SpiffeId {
  const [uri] = leaf.uris
  if (uri === undefined || leaf.uris.length !== 1) {
    refuse('svid-uri-count', 'an SVID has exactly one URI')
  }
  const spiffeId = SpiffeId.tryParse(uri)
  if (spiffeId === undefined) refuse('svid-id', 'the URI is not a SPIFFE ID')
  if (SpiffeId.pathOf(spiffeId) === '') {
    refuse('svid-root-path', 'the ID of a trust domain is not the ID of a workload')
  }
  if (leaf.basicConstraints?.ca === true) {
    refuse('svid-leaf-is-ca', 'an authority is not a workload')
  }
  const bits = leaf.keyUsage?.bits
  if (bits?.has('keyCertSign') || bits?.has('cRLSign')) {
    refuse('svid-key-usage', 'a workload may not sign certificates')
  }
  return spiffeId
}

// A bundle is replaced whole and never edited, so that its certificates are read once.
const roots = new WeakMap<Bundle, readonly Certificate[]>()

function rootsOf(bundle: Bundle): readonly Certificate[] {
  const known = roots.get(bundle)
  if (known !== undefined) return known
  const read = bundle.x509Authorities.flatMap(({ certificate }) => {
    try {
      return [parseCertificate(certificate)]
    } catch {
      // One authority that cannot be read takes no trust away from the others, and gets none.
      return []
    }
  })
  roots.set(bundle, read)
  return read
}

/**
 * Joins a chain and its key to an SVID. The ID and the dates are the leaf's; nothing is checked
 * against a bundle, but each certificate is what it has to be at its place (X509-SVID §4). Throws
 * `unauthenticated`, reasons as `verifyX509Svid`, `svid-signer` where one behind the leaf may not sign,
 * and `svid-key` where the key is not the leaf's.
 */
export function x509SvidFrom(chain: readonly Uint8Array[], privateKey: Buffer): X509Svid {
  const [first, ...signers] = chain
  if (first === undefined) refuse('svid-chain-empty', 'there is no certificate')
  return asUnauthenticated(() => {
    const leaf = parseCertificate(first)
    const spiffeId = leafId(leaf)
    if (!leaf.keyUsage?.bits.has('digitalSignature')) {
      refuse('svid-key-usage', 'an SVID is for a key that signs')
    }
    for (const signer of signers) {
      const { basicConstraints, keyUsage } = parseCertificate(signer)
      if (basicConstraints?.ca !== true || !keyUsage?.bits.has('keyCertSign')) {
        refuse('svid-signer', 'a certificate behind that of the workload is no authority')
      }
    }
    if (!publicHalf(privateKey).equals(leaf.spki)) {
      refuse('svid-key', 'the private key is not that of the certificate')
    }
    return {
      spiffeId,
      chain: chain.map((certificate) => Buffer.from(certificate)),
      privateKey,
      notBefore: leaf.notBefore,
      expiresAt: leaf.notAfter,
    }
  })
}

function publicHalf(privateKey: Buffer): Buffer {
  try {
    return spkiOf(createPrivateKey({ key: privateKey, format: 'der', type: 'pkcs8' }))
  } catch {
    // The cause is left out: it may quote what it could not read.
    return refuse('svid-key', 'the private key is not PKCS#8')
  }
}

function refuse(reason: string, message: string): never {
  throw new CountersignError('unauthenticated', message, { reason })
}

function asUnauthenticated<T>(check: () => T): T {
  try {
    return check()
  } catch (cause) {
    if (!(cause instanceof CountersignError) || cause.code === 'unauthenticated') throw cause
    throw new CountersignError('unauthenticated', cause.message, {
      reason: `svid-${cause.reason}`,
      cause,
    })
  }
}
