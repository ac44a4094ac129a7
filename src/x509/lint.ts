import { CountersignError } from '../errors.ts'
import { SpiffeId, TrustDomain } from '../spiffe-id/spiffe-id.ts'
import { type CertificateFields, readCertificate } from './certificate.ts'
import { subjectKeyIdOf } from './key.ts'
import { OID } from './oids.ts'

// What leaves the CA is read again, with the reader that is used for strangers, and compared with
// what was asked for: a mistake in the writer becomes an error and not a certificate.

interface Expected {
  /** SubjectPublicKeyInfo, DER. */
  readonly spki: Buffer
  /** The identifier of that key. */
  readonly subjectKeyId: Buffer
  readonly notBefore: Date
  readonly notAfter: Date
  /** Lower-case hex, no leading zeros. */
  readonly serial: string
  /** Name, DER. */
  readonly subject: Buffer
}

export interface ExpectedLeaf extends Expected {
  readonly spiffeId: SpiffeId
  readonly dnsNames: readonly string[]
  readonly issuer: CertificateFields
}

export interface ExpectedCa extends Expected {
  readonly trustDomain: TrustDomain
  readonly pathLength: number | undefined
  /** undefined: signed by itself. */
  readonly issuer: CertificateFields | undefined
}

function hold(condition: boolean, reason: string, message: string): asserts condition {
  if (!condition) throw new CountersignError('invalid', message, { reason: `lint-${reason}` })
}

/** Refuses a leaf that breaks X509-SVID or differs from what was asked for. Throws `invalid`, reasons `lint-…`. */
export function lintLeaf(der: Buffer, expected: ExpectedLeaf): CertificateFields {
  const leaf = readCertificate(der)
  lintCommon(leaf, expected, expected.spiffeId)
  const { issuer, dnsNames } = expected
  hold(SpiffeId.pathOf(expected.spiffeId) !== '', 'root-path', 'a workload has an ID with a path')
  // X509-SVID §3.2: an authority that carries an ID signs for that trust domain.
  const home = TrustDomain.toId(SpiffeId.trustDomainOf(expected.spiffeId))
  hold(
    issuer.uris.every((uri) => uri === home),
    'trust-domain',
    'the CA is not one of the trust domain of the ID',
  )
  hold(dnsNames.every(isDnsName), 'dns-name', 'a DNS name is not well formed')
  hold(sameList(leaf.dnsNames, dnsNames), 'dns-names', 'the DNS names are not those asked for')
  hold(leaf.basicConstraints?.ca === false, 'ca', 'a leaf says that it is no CA')
  hold(
    sameSet(leaf.keyUsage?.bits, ['digitalSignature', 'keyEncipherment', 'keyAgreement']),
    'key-usage',
    'the key usage is not that of a leaf',
  )
  hold(
    sameSet(leaf.extendedKeyUsage?.purposes, [OID.serverAuth, OID.clientAuth]),
    'extended-key-usage',
    'a leaf is for servers and clients',
  )
  hold(!leaf.spki.equals(issuer.spki), 'ca-key', 'the key is the key of the CA')
  lintIssuer(leaf, issuer)
  return leaf
}

/** The same for a CA of a trust domain, self-signed or below another. */
export function lintCa(der: Buffer, expected: ExpectedCa): CertificateFields {
  const ca = readCertificate(der)
  lintCommon(ca, expected, TrustDomain.toId(expected.trustDomain))
  const { basicConstraints, keyUsage } = ca
  hold(ca.dnsNames.length === 0, 'dns-names', 'a CA has no DNS names')
  hold(basicConstraints?.ca === true && basicConstraints.critical, 'ca', 'a CA says that it is one')
  hold(
    basicConstraints.pathLength === expected.pathLength,
    'path-length',
    'the path length is not the one asked for',
  )
  hold(
    sameSet(keyUsage?.bits, ['keyCertSign', 'cRLSign']),
    'key-usage',
    'the key usage is not that of a CA',
  )
  hold(ca.extendedKeyUsage === undefined, 'extended-key-usage', 'a CA has no extended key usage')
  if (expected.issuer !== undefined) lintIssuer(ca, expected.issuer)
  else hold(ca.issuer.equals(ca.subject), 'issuer', 'a root is its own issuer')
  return ca
}

function lintCommon(certificate: CertificateFields, expected: Expected, id: SpiffeId): void {
  const { names, keyUsage } = certificate
  hold(sameList(certificate.uris, [id]), 'uri', 'the one URI is not the ID')
  hold(
    names.ipAddresses.length + names.emails.length + names.others === 0,
    'names',
    'there are names that nobody asked for',
  )
  hold(keyUsage?.critical === true, 'key-usage', 'the key usage is critical')
  hold(certificate.spki.equals(expected.spki), 'key', 'the key is not the one asked for')
  hold(
    certificate.subjectKeyId?.equals(expected.subjectKeyId) === true,
    'subject-key-id',
    'the subject key identifier is not that of the key',
  )
  hold(certificate.serial === expected.serial, 'serial', 'the serial number is another')
  hold(certificate.subject.equals(expected.subject), 'subject', 'the subject is another')
  hold(
    certificate.notBefore.getTime() === expected.notBefore.getTime() &&
      certificate.notAfter.getTime() === expected.notAfter.getTime(),
    'validity',
    'the validity is not the one asked for',
  )
  hold(
    certificate.nameConstraints === undefined && certificate.unknownCritical.length === 0,
    'extensions',
    'there are extensions that nobody asked for',
  )
}

function lintIssuer(certificate: CertificateFields, issuer: CertificateFields): void {
  hold(certificate.issuer.equals(issuer.subject), 'issuer', 'the issuer is not the CA')
  hold(
    certificate.authorityKeyId?.equals(issuer.subjectKeyId ?? subjectKeyIdOf(issuer.spki)) === true,
    'authority-key-id',
    'the authority key identifier is not that of the CA',
  )
  hold(
    certificate.notAfter.getTime() <= issuer.notAfter.getTime(),
    'outlives-ca',
    'the certificate would outlive its CA',
  )
}

const MAX_DNS_NAME = 253
const MAX_DNS_LABEL = 63

/** Labels of letters, digits, dash and underscore; `*` alone as the first of several. */
function isDnsName(name: string): boolean {
  if (name.length === 0 || name.length > MAX_DNS_NAME) return false
  return name.split('.').every((label, i, all) => {
    if (label === '*') return i === 0 && all.length > 1
    return label.length <= MAX_DNS_LABEL && /^[A-Za-z0-9_-]+$/.test(label)
  })
}

function sameList(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((item, i) => item === b[i])
}

function sameSet(a: ReadonlySet<string> | undefined, b: readonly string[]): boolean {
  return a !== undefined && a.size === b.length && b.every((item) => a.has(item))
}
