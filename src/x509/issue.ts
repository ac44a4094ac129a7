import { CountersignError } from '../errors.ts'
import { type SpiffeId, TrustDomain } from '../spiffe-id/spiffe-id.ts'
import { signingAlgorithmFor, verifyNow } from './algorithm.ts'
import { type Certificate, type CertificateFields, parseCertificate } from './certificate.ts'
import {
  bitString,
  boolean,
  element,
  integer,
  octetString,
  oid,
  sequence,
  time,
} from './der-write.ts'
import { extension, nameOf, subjectAltName } from './encode.ts'
import { type Signer, spkiOf, subjectKeyIdOf } from './key.ts'
import { lintCa, lintLeaf } from './lint.ts'
import { OID } from './oids.ts'
import { newSerial } from './serial.ts'

/** A CA certificate with what signs for it. Kept as one object: what is derived from it is remembered. */
export interface CertificateAuthority {
  readonly certificate: Certificate
  readonly signer: Signer
}

export interface LeafTemplate {
  readonly spiffeId: SpiffeId
  /** SubjectPublicKeyInfo, DER, of a request whose proof of possession was verified. */
  readonly spki: Buffer
  readonly dnsNames?: readonly string[]
  readonly notBefore: Date
  /** Cut to the end of the CA. */
  readonly notAfter: Date
}

// C=US, O=COUNTERSIGN
const COMMON_SUBJECT = nameOf({})
const VERSION_3 = element(0xa0, integer(Buffer.of(2)))
// X.520 ub-common-name; a longer DNS name stands in the SubjectAltName alone.
const MAX_COMMON_NAME = 64

// digitalSignature, keyEncipherment, keyAgreement: what SPIRE's leaves carry.
const LEAF_KEY_USAGE = extension(OID.keyUsage, bitString(Buffer.of(0b1010_1000), 3), true)
// keyCertSign, cRLSign: all that X509-SVID §4.3 allows.
const CA_KEY_USAGE = extension(OID.keyUsage, bitString(Buffer.of(0b0000_0110), 1), true)
const LEAF_PURPOSES = extension(
  OID.extendedKeyUsage,
  sequence(oid(OID.serverAuth), oid(OID.clientAuth)),
)
// X509-SVID §4.1; FALSE is the default, which DER leaves out.
const LEAF_CONSTRAINTS = extension(OID.basicConstraints, sequence(), true)

interface Tbs {
  readonly serial: Buffer
  readonly issuer: Buffer
  readonly subject: Buffer
  readonly notBefore: Date
  readonly notAfter: Date
  readonly spki: Buffer
  readonly extensions: readonly Buffer[]
}

async function signed(tbs: Tbs, signer: Signer): Promise<Buffer> {
  const algorithm = signingAlgorithmFor(signer.kind).der
  const body = sequence(
    VERSION_3,
    integer(tbs.serial),
    algorithm,
    tbs.issuer,
    sequence(time(tbs.notBefore), time(tbs.notAfter)),
    tbs.subject,
    tbs.spki,
    element(0xa3, sequence(...tbs.extensions)),
  )
  return sequence(body, algorithm, bitString(await signer.sign(body)))
}

function refuse(reason: string, message: string): never {
  throw new CountersignError('invalid', message, { reason })
}

/** What is the same for each certificate that one CA signs. */
interface Prepared {
  readonly authorityKeyId: Buffer
  proven: boolean
}

const prepared = new WeakMap<CertificateAuthority, Prepared>()

function prepare(ca: CertificateAuthority): Prepared {
  const known = prepared.get(ca)
  if (known !== undefined) return known
  const { certificate, signer } = ca
  if (!spkiOf(signer.publicKey).equals(certificate.spki)) {
    refuse('ca-key', 'the signer is not the one of the CA certificate')
  }
  const keyId = certificate.subjectKeyId ?? subjectKeyIdOf(certificate.spki)
  const fresh: Prepared = {
    authorityKeyId: extension(OID.authorityKeyIdentifier, sequence(element(0x80, keyId))),
    proven: false,
  }
  prepared.set(ca, fresh)
  return fresh
}

function lifetime(
  template: { readonly notBefore: Date; readonly notAfter: Date },
  ca?: Certificate,
): { notBefore: Date; notAfter: Date } {
  const end = Math.min(template.notAfter.getTime(), ca?.notAfter.getTime() ?? Infinity)
  const notBefore = wholeSeconds(template.notBefore.getTime())
  const notAfter = wholeSeconds(end)
  if (!(notBefore < notAfter)) {
    refuse('certificate-lifetime', 'the certificate would end before it begins')
  }
  return { notBefore: new Date(notBefore), notAfter: new Date(notAfter) }
}

function wholeSeconds(ms: number): number {
  return Math.floor(ms / 1000) * 1000
}

function subjectKeyIdentifier(keyId: Buffer): Buffer {
  return extension(OID.subjectKeyIdentifier, octetString(keyId))
}

/** A leaf X509-SVID, DER. Throws as `signLeaf`. */
export async function issueLeaf(template: LeafTemplate, ca: CertificateAuthority): Promise<Buffer> {
  return (await signLeaf(template, ca)).der
}

/**
 * A leaf X509-SVID as the lint has read it. Throws `invalid`: `certificate-lifetime`, `ca-key`,
 * `ca-signature` (the signer's key is not the certificate's), `lint-…`.
 */
export async function signLeaf(
  template: LeafTemplate,
  ca: CertificateAuthority,
): Promise<CertificateFields> {
  const authority = prepare(ca)
  const dnsNames = template.dnsNames ?? []
  const { notBefore, notAfter } = lifetime(template, ca.certificate)
  const serial = newSerial()
  const commonName = dnsNames[0]
  const subject =
    commonName === undefined || commonName.length > MAX_COMMON_NAME
      ? COMMON_SUBJECT
      : nameOf({ commonName })
  const subjectKeyId = subjectKeyIdOf(template.spki)
  const der = await signed(
    {
      serial,
      issuer: ca.certificate.subject,
      subject,
      notBefore,
      notAfter,
      spki: template.spki,
      extensions: [
        LEAF_KEY_USAGE,
        LEAF_PURPOSES,
        LEAF_CONSTRAINTS,
        subjectKeyIdentifier(subjectKeyId),
        authority.authorityKeyId,
        extension(OID.subjectAltName, subjectAltName([template.spiffeId], dnsNames)),
      ],
    },
    ca.signer,
  )
  const leaf = lintLeaf(der, {
    spiffeId: template.spiffeId,
    dnsNames,
    spki: template.spki,
    subjectKeyId,
    notBefore,
    notAfter,
    serial: serial.toString('hex'),
    subject,
    issuer: ca.certificate,
  })
  if (!authority.proven) {
    proveSignature(leaf, ca)
    authority.proven = true
  }
  return leaf
}

/** Once a CA: a signer that signs with another key than it shows is found before its first leaf is out. */
function proveSignature(
  leaf: { tbs: Buffer; signature: Buffer },
  ca: { signer: Signer; certificate: { publicKey: Signer['publicKey'] } },
): void {
  const algorithm = signingAlgorithmFor(ca.signer.kind)
  if (!verifyNow(leaf.tbs, ca.certificate.publicKey, leaf.signature, algorithm)) {
    throw new CountersignError('internal', 'the CA key does not sign as its certificate says', {
      reason: 'ca-signature',
    })
  }
}

interface CaTemplate {
  readonly trustDomain: TrustDomain
  readonly notBefore: Date
  readonly notAfter: Date
  /** How many CAs may stand below; undefined: any number. */
  readonly pathLength?: number
}

/**
 * A self-signed root, DER: URI `spiffe://<td>`, a subject of its own (T34: many CAs of one name make
 * verifiers try each). Throws `invalid` as `issueLeaf`.
 */
export async function issueRootCa(
  options: CaTemplate & { readonly signer: Signer },
): Promise<Buffer> {
  const spki = spkiOf(options.signer.publicKey)
  const der = await issueCa(options, spki, options.signer, undefined)
  proveSignature(parseCertificate(der), {
    signer: options.signer,
    certificate: { publicKey: options.signer.publicKey },
  })
  return der
}

/** A CA below a CA of ours, for a nested server; ends no later than it. `spki` as in `LeafTemplate`. */
export async function issueIntermediateCa(
  options: CaTemplate & { readonly spki: Buffer },
  ca: CertificateAuthority,
): Promise<Buffer> {
  const room = ca.certificate.basicConstraints?.pathLength
  if (room === 0) refuse('ca-path-length', 'this CA may not have a CA below it')
  const pathLength =
    room === undefined ? options.pathLength : Math.min(options.pathLength ?? Infinity, room - 1)
  const der = await issueCa(
    { ...options, ...(pathLength === undefined ? {} : { pathLength }) },
    options.spki,
    ca.signer,
    ca,
  )
  proveSignature(parseCertificate(der), ca)
  return der
}

async function issueCa(
  template: CaTemplate,
  spki: Buffer,
  signer: Signer,
  ca: CertificateAuthority | undefined,
): Promise<Buffer> {
  const { trustDomain, pathLength } = template
  const { notBefore, notAfter } = lifetime(template, ca?.certificate)
  const serial = newSerial()
  const subject = nameOf({ serialNumber: serial.toString('hex') })
  const subjectKeyId = subjectKeyIdOf(spki)
  const constraints =
    pathLength === undefined
      ? sequence(boolean(true))
      : sequence(boolean(true), integer(Buffer.of(pathLength)))
  const der = await signed(
    {
      serial,
      issuer: ca?.certificate.subject ?? subject,
      subject,
      notBefore,
      notAfter,
      spki,
      extensions: [
        CA_KEY_USAGE,
        extension(OID.basicConstraints, constraints, true),
        subjectKeyIdentifier(subjectKeyId),
        ...(ca === undefined ? [] : [prepare(ca).authorityKeyId]),
        extension(OID.subjectAltName, subjectAltName([TrustDomain.toId(trustDomain)], [])),
      ],
    },
    signer,
  )
  lintCa(der, {
    trustDomain,
    spki,
    subjectKeyId,
    notBefore,
    notAfter,
    serial: serial.toString('hex'),
    subject,
    pathLength,
    issuer: ca?.certificate,
  })
  return der
}
