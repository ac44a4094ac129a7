import { CountersignError } from '../errors.ts'
import { verifyNow } from './algorithm.ts'
import type { Certificate } from './certificate.ts'
import { satisfies } from './name-constraints.ts'

// RFC 5280 §6 as far as SPIFFE needs it: no policies; CRLs are in crl.ts. Cheap checks come before signatures, those
// are checked from the anchor down, under keys alone that it vouches for, and both are bounded (T34, and chains made to
// burn time).

const MAX_CHAIN = 10
const MAX_INTERMEDIATES = 16
const MAX_SIGNATURES = 100
const MAX_PLACES = 100

interface Fault {
  readonly reason: string
  readonly message: string
}

/** Why the search found no path; `rank` says how far the best attempt came. */
interface Failure extends Fault {
  readonly rank: number
}

interface Search {
  readonly roots: readonly Certificate[]
  readonly intermediates: readonly Certificate[]
  readonly now: Date
  /** What each certificate was found to be: signed by an authority, or not. */
  readonly signed: Map<Certificate, Map<Certificate, boolean>>
  signatures: number
  places: number
  failure: Failure
}

/**
 * Finds a path from the leaf to one of the roots and checks it at `now`. Returns it, leaf first, root
 * last. A leaf is never its own anchor; intermediates may come in any order. Throws `forbidden`,
 * reasons `chain-…`: `chain-unknown-authority`, `chain-signature`, `chain-expired`,
 * `chain-not-yet-valid`, `chain-not-a-ca`, `chain-key-usage`, `chain-path-length`,
 * `chain-unknown-critical-extension`, `chain-name-constraints`, `chain-too-long`, `chain-too-costly`.
 */
export function verifyChain(input: {
  readonly leaf: Certificate
  readonly intermediates: readonly Certificate[]
  readonly roots: readonly Certificate[]
  readonly now: Date
}): readonly Certificate[] {
  const { leaf, intermediates, roots, now } = input
  if (intermediates.length > MAX_INTERMEDIATES) {
    refuse('chain-too-long', 'there are too many certificates in the chain')
  }
  const search: Search = {
    roots,
    intermediates,
    now,
    signed: new Map(),
    signatures: 0,
    places: 0,
    failure: {
      reason: 'chain-unknown-authority',
      message: 'no authority of the bundle signed the certificate',
      rank: 0,
    },
  }
  const fault = certificateFault(leaf, now)
  if (fault !== undefined) refuse(fault.reason, fault.message)
  const path = extend([leaf], search)
  if (path === undefined) refuse(search.failure.reason, search.failure.message)
  return path
}

/** Throws `forbidden`, `chain-expired` or `chain-not-yet-valid`, as `verifyChain` would by now. */
export function checkDates(path: readonly Certificate[], now: Date): void {
  for (const certificate of path) {
    const fault = dateFault(certificate, now)
    if (fault !== undefined) refuse(fault.reason, fault.message)
  }
}

function refuse(reason: string, message: string): never {
  throw new CountersignError('forbidden', message, { reason })
}

function fail(search: Search, reason: string, message: string, rank: number): void {
  if (rank > search.failure.rank) search.failure = { reason, message, rank }
}

/** Depth first by the names, anchors before intermediates; signatures once the path has its anchor. */
function extend(path: readonly Certificate[], search: Search): readonly Certificate[] | undefined {
  if (++search.places > MAX_PLACES) return tooCostly()
  const child = path[path.length - 1] as Certificate
  for (const root of likelyFirst(child, search.roots)) {
    if (!fits(path, root, true, search)) continue
    const whole = [...path, root]
    if (!isSigned(whole, search)) {
      fail(search, 'chain-signature', 'a signature in the chain is wrong', 2)
      continue
    }
    if (namesFit(whole)) return whole
    fail(search, 'chain-name-constraints', 'a name is outside what its authority may give', 3)
  }
  for (const ca of likelyFirst(child, search.intermediates)) {
    if (!fits(path, ca, false, search)) continue
    const found = extend([...path, ca], search)
    if (found !== undefined) return found
  }
  return undefined
}

/** From the anchor down, each pair once: what a stranger made is never checked under a key of the stranger. */
function isSigned(path: readonly Certificate[], search: Search): boolean {
  for (let at = path.length - 1; at > 0; at -= 1) {
    if (!isPairSigned(path[at - 1] as Certificate, path[at] as Certificate, search)) return false
  }
  return true
}

function isPairSigned(child: Certificate, ca: Certificate, search: Search): boolean {
  const byCa = search.signed.get(child) ?? new Map<Certificate, boolean>()
  search.signed.set(child, byCa)
  const known = byCa.get(ca)
  if (known !== undefined) return known
  if (++search.signatures > MAX_SIGNATURES) return tooCostly()
  const good = isSignedBy(child, ca)
  byCa.set(ca, good)
  return good
}

function tooCostly(): never {
  refuse('chain-too-costly', 'the chain takes too many checks')
}

/** Those of the issuer's name and not of another key, an identified key first. */
function likelyFirst(child: Certificate, candidates: readonly Certificate[]): Certificate[] {
  const keyId = child.authorityKeyId
  const sure: Certificate[] = []
  const maybe: Certificate[] = []
  for (const candidate of candidates) {
    if (!candidate.subject.equals(child.issuer)) continue
    if (keyId === undefined || candidate.subjectKeyId === undefined) maybe.push(candidate)
    else if (candidate.subjectKeyId.equals(keyId)) sure.push(candidate)
  }
  return [...sure, ...maybe]
}

/** All that can be said of a CA at its place in the path without its signature. */
function fits(
  path: readonly Certificate[],
  ca: Certificate,
  isAnchor: boolean,
  search: Search,
): boolean {
  // A circle leads nowhere; it is no reason of its own, for a root shown along runs into one too.
  if (path.some((below) => isSameEntity(below, ca))) return false
  const fault = placeFault(path, ca, isAnchor) ?? certificateFault(ca, search.now)
  if (fault !== undefined) fail(search, fault.reason, fault.message, 1)
  return fault === undefined
}

function placeFault(
  path: readonly Certificate[],
  ca: Certificate,
  isAnchor: boolean,
): Fault | undefined {
  if (path.length >= MAX_CHAIN) {
    return { reason: 'chain-too-long', message: 'the chain is too long' }
  }
  if (ca.basicConstraints?.ca !== true) {
    return { reason: 'chain-not-a-ca', message: 'a certificate was signed by one that is no CA' }
  }
  // X509-SVID §4.3 obliges every authority to say this; only an anchor, which the operator chose,
  // may leave the extension out.
  if (ca.keyUsage === undefined ? !isAnchor : !ca.keyUsage.bits.has('keyCertSign')) {
    return { reason: 'chain-key-usage', message: 'an authority may not sign certificates' }
  }
  // The leaf is not counted, nor are authorities that only changed their key (RFC 5280 §4.2.1.9).
  const between = path.slice(1).filter((below) => !below.issuer.equals(below.subject)).length
  if (between > (ca.basicConstraints.pathLength ?? Infinity)) {
    return { reason: 'chain-path-length', message: 'there are more authorities than one allows' }
  }
  return undefined
}

function dateFault(certificate: Certificate, now: Date): Fault | undefined {
  if (now.getTime() < certificate.notBefore.getTime()) {
    return { reason: 'chain-not-yet-valid', message: 'a certificate of the chain is not valid yet' }
  }
  // notAfter is the last second that counts.
  if (!(now.getTime() < certificate.notAfter.getTime() + 1000)) {
    return { reason: 'chain-expired', message: 'a certificate of the chain has expired' }
  }
  return undefined
}

function certificateFault(certificate: Certificate, now: Date): Fault | undefined {
  const fault = dateFault(certificate, now)
  if (fault !== undefined) return fault
  if (certificate.unknownCritical.length > 0) {
    return {
      reason: 'chain-unknown-critical-extension',
      message: 'a certificate has a critical extension that is not understood',
    }
  }
  return undefined
}

function isSameEntity(a: Certificate, b: Certificate): boolean {
  return a.spki.equals(b.spki) && a.subject.equals(b.subject)
}

function isSignedBy(child: Certificate, ca: Certificate): boolean {
  const { algorithm } = child
  return (
    algorithm !== undefined &&
    algorithm.family === ca.publicKey.asymmetricKeyType &&
    verifyNow(child.tbs, ca.publicKey, child.signature, algorithm)
  )
}

/** RFC 5280 §6.1.3 (b) and (c): constraints bind every certificate below but self-issued authorities. */
function namesFit(path: readonly Certificate[]): boolean {
  return path.every(({ nameConstraints }, at) => {
    if (nameConstraints === undefined) return true
    return path
      .slice(0, at)
      .every(
        (below, i) =>
          (i > 0 && below.issuer.equals(below.subject)) || satisfies(below.names, nameConstraints),
      )
  })
}
