import { CountersignError } from '../errors.ts'
import { type SignatureAlgorithm, signatureAlgorithmOf, verifyNow } from './algorithm.ts'
import type { Certificate } from './certificate.ts'
import { checkDer, DerReader, malformed, TAG } from './der.ts'
import { readExtensions } from './extensions.ts'
import { readTime } from './time.ts'

/** A list of revoked certificates (RFC 5280 §5), read and not yet believed. */
export interface Crl {
  /** TBSCertList, DER: the bytes that the signature covers. */
  readonly tbs: Buffer
  /** Name, DER. */
  readonly issuer: Buffer
  readonly authorityKeyId: Buffer | undefined
  readonly thisUpdate: Date
  readonly nextUpdate: Date | undefined
  /** Serial numbers as `Certificate.serial` has them. */
  readonly serials: ReadonlySet<string>
  /** False where a critical extension says what is not understood here: a delta, another's certificates … */
  readonly understood: boolean
  readonly algorithm: SignatureAlgorithm | undefined
  readonly signature: Buffer
}

const MAX_CRL_BYTES = 1 << 20
const MAX_CRLS = 64
const MAX_REVOKED = 20_000

/** Reads at most 64 of them. Throws `invalid`: `crl-malformed`. */
export function parseCrls(ders: readonly Uint8Array[]): readonly Crl[] {
  if (ders.length > MAX_CRLS) throw unusable('there are too many of them', undefined)
  return ders.map(parseCrl)
}

/**
 * Reads a CRL, DER, at most 1 MiB and 20,000 entries. Throws `invalid`: `crl-malformed`.
 */
export function parseCrl(der: Uint8Array): Crl {
  try {
    return readCrl(der)
  } catch (cause) {
    if (!(cause instanceof CountersignError)) throw cause
    throw unusable(cause.message, cause)
  }
}

function unusable(why: string, cause: unknown): CountersignError {
  return new CountersignError('invalid', `the CRL cannot be used: ${why}`, {
    reason: 'crl-malformed',
    cause,
  })
}

function readCrl(input: Uint8Array): Crl {
  if (input.length > MAX_CRL_BYTES) throw malformed('too long')
  const der = Buffer.from(input)
  checkDer(der)
  const whole = new DerReader(der)
  const list = whole.read(TAG.sequence)
  whole.finish()
  const tbs = list.whole(TAG.sequence)
  const outerAlgorithm = list.whole(TAG.sequence)
  const signature = list.readOctetBitString()
  list.finish()

  const body = new DerReader(tbs).read(TAG.sequence)
  const version = body.peek() === TAG.integer ? body.readSmallInteger() : 0
  if (version > 1) throw malformed('a version that is not known')
  if (!body.whole(TAG.sequence).equals(outerAlgorithm)) {
    throw malformed('two different signature algorithms')
  }
  const issuer = body.whole(TAG.sequence)
  const thisUpdate = readTime(body)
  const nextUpdate = isTime(body) ? readTime(body) : undefined
  const revoked = readRevoked(body.maybe(TAG.sequence))
  const extensions = body.maybe(0xa0)
  const read = extensions === undefined ? undefined : readExtensions(extensions.read(TAG.sequence))
  extensions?.finish()
  body.finish()
  return {
    tbs,
    issuer,
    authorityKeyId: read?.authorityKeyId,
    thisUpdate,
    nextUpdate,
    serials: revoked.serials,
    understood: revoked.understood && (read?.unknownCritical.length ?? 0) === 0,
    algorithm: signatureAlgorithmOf(outerAlgorithm),
    signature,
  }
}

function isTime(reader: DerReader): boolean {
  return reader.peek() === TAG.utcTime || reader.peek() === TAG.generalizedTime
}

function readRevoked(list: DerReader | undefined): {
  readonly serials: ReadonlySet<string>
  readonly understood: boolean
} {
  const serials = new Set<string>()
  let understood = true
  while (list !== undefined && !list.done) {
    if (serials.size === MAX_REVOKED) throw malformed('too many entries')
    const entry = list.read(TAG.sequence)
    serials.add(
      entry
        .readInteger()
        .toString('hex')
        .replace(/^0+(?=.)/, ''),
    )
    readTime(entry)
    if (!entry.done) {
      const { unknownCritical } = readExtensions(entry.read(TAG.sequence))
      understood &&= unknownCritical.length === 0
    }
    entry.finish()
  }
  return { serials, understood }
}

/**
 * Checks a path, leaf first, root last, as `verifyChain` gave it, against what its authorities have
 * revoked. A list counts only where the authority itself signed it. An authority without a list has
 * revoked nothing; of one that has any, a list must be in force. Throws `forbidden`: `crl-revoked`,
 * `crl-expired`, `crl-unusable`.
 */
export function checkRevocation(
  path: readonly Certificate[],
  crls: readonly Crl[],
  now: Date,
): void {
  if (crls.length === 0) return
  path.slice(0, -1).forEach((certificate, at) => {
    const authority = path[at + 1] as Certificate
    const lists = crls.filter((crl) => isOf(crl, authority))
    if (lists.length === 0) return
    if (lists.some(({ serials }) => serials.has(certificate.serial))) {
      refuse('crl-revoked', 'a certificate of the chain has been revoked')
    }
    const understood = lists.filter((crl) => crl.understood)
    if (understood.length === 0) {
      refuse('crl-unusable', 'the CRL of an authority cannot be understood')
    }
    if (!understood.some((crl) => isInForce(crl, now))) {
      refuse('crl-expired', 'the CRL of an authority is not in force')
    }
  })
}

function isInForce({ thisUpdate, nextUpdate }: Crl, now: Date): boolean {
  return (
    thisUpdate.getTime() <= now.getTime() &&
    (nextUpdate === undefined || now.getTime() < nextUpdate.getTime() + 1000)
  )
}

// A list is long, and is asked at each handshake: its signature is checked once an authority.
const verdicts = new WeakMap<Crl, WeakMap<Certificate, boolean>>()

function isOf(crl: Crl, authority: Certificate): boolean {
  const { authorityKeyId: keyId } = crl
  if (!crl.issuer.equals(authority.subject)) return false
  if (keyId !== undefined && authority.subjectKeyId?.equals(keyId) === false) return false
  const known = verdicts.get(crl) ?? new WeakMap<Certificate, boolean>()
  verdicts.set(crl, known)
  const verdict = known.get(authority) ?? isSignedBy(crl, authority)
  known.set(authority, verdict)
  return verdict
}

/** RFC 5280 §6.3.3 (f) and (g). */
function isSignedBy({ tbs, algorithm, signature }: Crl, authority: Certificate): boolean {
  return (
    authority.keyUsage?.bits.has('cRLSign') !== false &&
    algorithm !== undefined &&
    algorithm.family === authority.publicKey.asymmetricKeyType &&
    verifyNow(tbs, authority.publicKey, signature, algorithm)
  )
}

function refuse(reason: string, message: string): never {
  throw new CountersignError('forbidden', message, { reason })
}
