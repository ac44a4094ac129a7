import type { KeyObject } from 'node:crypto'
import { CountersignError } from '../errors.ts'
import { type SignatureAlgorithm, signatureAlgorithmOf } from './algorithm.ts'
import { checkDer, DerReader, malformed, TAG } from './der.ts'
import { type Extensions, readExtensions } from './extensions.ts'
import { importSpki } from './spki.ts'
import { readTime } from './time.ts'

/** What a certificate says, without a check of its key. All buffers are slices of one private copy. */
export interface CertificateFields extends Extensions {
  readonly der: Buffer
  /** TBSCertificate, DER: the bytes that the signature covers. */
  readonly tbs: Buffer
  /** Lower-case hex, no leading zeros. */
  readonly serial: string
  /** Name, DER. */
  readonly issuer: Buffer
  readonly subject: Buffer
  readonly notBefore: Date
  readonly notAfter: Date
  /** SubjectPublicKeyInfo, DER. */
  readonly spki: Buffer
  /** Of the SubjectAltName extension. */
  readonly uris: readonly string[]
  readonly dnsNames: readonly string[]
  /** Its usual name, or the dotted identifier of one that nothing here verifies. */
  readonly signatureAlgorithm: string
  readonly algorithm: SignatureAlgorithm | undefined
  readonly signature: Buffer
}

export interface Certificate extends CertificateFields {
  readonly publicKey: KeyObject
}

const MAX_CERTIFICATE_BYTES = 32 * 1024
const MAX_SERIAL_BYTES = 21

function wrapped<T>(read: () => T): T {
  try {
    return read()
  } catch (cause) {
    if (!(cause instanceof CountersignError)) throw cause
    const reason =
      cause.reason === 'der-malformed' ? 'certificate-malformed' : `certificate-${cause.reason}`
    throw new CountersignError('invalid', `the certificate cannot be used: ${cause.message}`, {
      reason,
      cause,
    })
  }
}

/**
 * Reads one certificate, DER, v3 (RFC 5280 §4.1). Strict; at most 32 KiB. Throws `invalid`, reasons
 * `certificate-…`: `certificate-malformed`, `certificate-key-weak`, `certificate-key-unknown` …
 */
export function parseCertificate(der: Uint8Array): Certificate {
  return wrapped(() => {
    const fields = readFields(der)
    return { ...fields, publicKey: importSpki(fields.spki).key }
  })
}

/** The same without the key, for certificates that we just made and whose key was checked before. */
export function readCertificate(der: Uint8Array): CertificateFields {
  return wrapped(() => readFields(der))
}

function readFields(input: Uint8Array): CertificateFields {
  if (input.length > MAX_CERTIFICATE_BYTES) throw malformed('too long')
  // A copy: what was verified stays what is used, whatever the caller does with its buffer.
  const der = Buffer.from(input)
  checkDer(der)
  const certificate = new DerReader(der).read(TAG.sequence)
  const tbs = certificate.whole(TAG.sequence)
  const outerAlgorithm = certificate.whole(TAG.sequence)
  const signature = certificate.readOctetBitString()
  certificate.finish()

  const body = new DerReader(tbs).read(TAG.sequence)
  const version = body.read(0xa0)
  if (version.readSmallInteger() !== 2) throw malformed('version other than 3')
  version.finish()
  const serial = readSerial(body.readInteger())
  // RFC 5280 §4.1.1.2: the outer one is not signed, so that it must say the same.
  if (!body.whole(TAG.sequence).equals(outerAlgorithm)) {
    throw malformed('two different signature algorithms')
  }
  const issuer = body.whole(TAG.sequence)
  const validity = body.read(TAG.sequence)
  const notBefore = readTime(validity)
  const notAfter = readTime(validity)
  validity.finish()
  const subject = body.whole(TAG.sequence)
  const spki = body.whole(TAG.sequence)
  // issuerUniqueID and subjectUniqueID: obsolete, without a meaning here.
  body.maybe(0x81)
  body.maybe(0x82)
  const extensionsAt = body.read(0xa3)
  const extensions = readExtensions(extensionsAt.read(TAG.sequence))
  extensionsAt.finish()
  body.finish()

  const algorithm = signatureAlgorithmOf(outerAlgorithm)
  return {
    der,
    tbs,
    serial,
    issuer,
    subject,
    notBefore,
    notAfter,
    spki,
    ...extensions,
    uris: extensions.names.uris,
    dnsNames: extensions.names.dnsNames,
    signatureAlgorithm:
      algorithm?.name ?? new DerReader(outerAlgorithm).read(TAG.sequence).readOid(),
    algorithm,
    signature,
  }
}

function readSerial(content: Buffer): string {
  if (content.length > MAX_SERIAL_BYTES || (content[0] ?? 0x80) >= 0x80) {
    throw malformed('serial number negative or too long')
  }
  return content.toString('hex').replace(/^0+(?=.)/, '')
}

const MAX_CERTIFICATES = 1000

/**
 * Splits DER, DER, … into one buffer a certificate, without a look inside. At most 1,000. Throws
 * `invalid`, reason `certificate-malformed`.
 */
export function splitCertificates(concatenated: Uint8Array): Buffer[] {
  return wrapped(() => {
    const reader = new DerReader(Buffer.from(concatenated))
    const found: Buffer[] = []
    while (!reader.done) {
      if (found.length === MAX_CERTIFICATES) throw malformed('too many certificates')
      found.push(reader.whole(TAG.sequence))
    }
    return found
  })
}
