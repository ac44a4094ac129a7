import { checkDer, DerReader, malformed, TAG } from './der.ts'
import { type AlternativeNames, NO_NAMES, readAlternativeNames } from './general-name.ts'
import { type NameConstraints, readNameConstraints } from './name-constraints.ts'
import { OID } from './oids.ts'

interface BasicConstraints {
  readonly critical: boolean
  readonly ca: boolean
  readonly pathLength?: number
}

type KeyUsageBit =
  | 'digitalSignature'
  | 'nonRepudiation'
  | 'keyEncipherment'
  | 'dataEncipherment'
  | 'keyAgreement'
  | 'keyCertSign'
  | 'cRLSign'
  | 'encipherOnly'
  | 'decipherOnly'

// In the order of RFC 5280 §4.2.1.3.
const KEY_USAGE_BITS: readonly KeyUsageBit[] = [
  'digitalSignature',
  'nonRepudiation',
  'keyEncipherment',
  'dataEncipherment',
  'keyAgreement',
  'keyCertSign',
  'cRLSign',
  'encipherOnly',
  'decipherOnly',
]

interface KeyUsage {
  readonly critical: boolean
  readonly bits: ReadonlySet<KeyUsageBit>
}

interface ExtendedKeyUsage {
  readonly critical: boolean
  /** Dotted object identifiers. */
  readonly purposes: ReadonlySet<string>
}

/** What the extensions of a certificate say; undefined where one is not there. */
export interface Extensions {
  readonly names: AlternativeNames
  readonly basicConstraints: BasicConstraints | undefined
  readonly keyUsage: KeyUsage | undefined
  readonly extendedKeyUsage: ExtendedKeyUsage | undefined
  readonly subjectKeyId: Buffer | undefined
  readonly authorityKeyId: Buffer | undefined
  readonly nameConstraints: NameConstraints | undefined
  /** Dotted identifiers of the critical extensions that are not understood here. */
  readonly unknownCritical: readonly string[]
}

const MAX_EXTENSIONS = 64

interface RawExtension {
  readonly critical: boolean
  readonly value: Buffer
}

function readList(list: DerReader): ReadonlyMap<string, RawExtension> {
  const found = new Map<string, RawExtension>()
  if (list.done) throw malformed('no extension')
  while (!list.done) {
    const extension = list.read(TAG.sequence)
    const id = extension.readOid()
    // DER leaves FALSE out; enough encoders write it that it is read all the same: it has one meaning.
    const critical = extension.peek() === TAG.boolean && extension.readBoolean()
    const value = extension.read(TAG.octetString).content()
    extension.finish()
    if (found.has(id)) throw malformed('an extension twice')
    if (found.size === MAX_EXTENSIONS) throw malformed('too many extensions')
    found.set(id, { critical, value })
  }
  return found
}

/** Reads the elements of an `Extensions` sequence. Throws `invalid`, reason `der-malformed`. */
export function readExtensions(list: DerReader): Extensions {
  const found = readList(list)
  const take = <T>(id: string, read: (value: DerReader, critical: boolean) => T): T | undefined => {
    const extension = found.get(id)
    if (extension === undefined) return undefined
    checkDer(extension.value)
    return read(new DerReader(extension.value), extension.critical)
  }
  return {
    names: take(OID.subjectAltName, readAlternativeNames) ?? NO_NAMES,
    basicConstraints: take(OID.basicConstraints, readBasicConstraints),
    keyUsage: take(OID.keyUsage, readKeyUsage),
    extendedKeyUsage: take(OID.extendedKeyUsage, readExtendedKeyUsage),
    subjectKeyId: take(OID.subjectKeyIdentifier, readSubjectKeyId),
    authorityKeyId: take(OID.authorityKeyIdentifier, readAuthorityKeyId),
    nameConstraints: take(OID.nameConstraints, readNameConstraints),
    unknownCritical: [...found].flatMap(([id, { critical }]) =>
      critical && !KNOWN.has(id) ? [id] : [],
    ),
  }
}

const KNOWN: ReadonlySet<string> = new Set([
  OID.subjectAltName,
  OID.basicConstraints,
  OID.keyUsage,
  OID.extendedKeyUsage,
  OID.subjectKeyIdentifier,
  OID.authorityKeyIdentifier,
  OID.nameConstraints,
])

function readBasicConstraints(value: DerReader, critical: boolean): BasicConstraints {
  const constraints = value.read(TAG.sequence)
  value.finish()
  const ca = constraints.peek() === TAG.boolean && constraints.readBoolean()
  const pathLength = constraints.done ? undefined : constraints.readSmallInteger()
  constraints.finish()
  if (pathLength !== undefined && !ca) throw malformed('path length without CA')
  return pathLength === undefined ? { critical, ca } : { critical, ca, pathLength }
}

function readKeyUsage(value: DerReader, critical: boolean): KeyUsage {
  const [, ...octets] = value.read(TAG.bitString).content()
  value.finish()
  const isSet = (bit: number): boolean => (((octets[bit >> 3] ?? 0) << (bit & 7)) & 0x80) !== 0
  return { critical, bits: new Set(KEY_USAGE_BITS.filter((_, bit) => isSet(bit))) }
}

function readExtendedKeyUsage(value: DerReader, critical: boolean): ExtendedKeyUsage {
  const list = value.read(TAG.sequence)
  value.finish()
  if (list.done) throw malformed('no extended key usage')
  const purposes = new Set<string>()
  while (!list.done) purposes.add(list.readOid())
  return { critical, purposes }
}

function readSubjectKeyId(value: DerReader): Buffer {
  const id = value.read(TAG.octetString).content()
  value.finish()
  return id
}

/** The keyIdentifier alone: issuer and serial number are never needed to find an authority here. */
function readAuthorityKeyId(value: DerReader): Buffer | undefined {
  const id = value.read(TAG.sequence)
  value.finish()
  return id.maybe(0x80)?.content()
}
