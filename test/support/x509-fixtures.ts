import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Bundle, BundleLookup } from '../../src/bundle/bundle.ts'
import { CountersignError } from '../../src/errors.ts'
import { TrustDomain } from '../../src/spiffe-id/spiffe-id.ts'
import { signingAlgorithmFor } from '../../src/x509/algorithm.ts'
import { type Certificate, parseCertificate } from '../../src/x509/certificate.ts'
import {
  bitString,
  boolean,
  element,
  integer,
  octetString,
  oid,
  sequence,
  set,
  time,
  utf8String,
} from '../../src/x509/der-write.ts'
import { extension } from '../../src/x509/encode.ts'
import {
  generateKeyPair,
  type KeyKind,
  type Signer,
  softwareSigner,
  spkiOf,
  subjectKeyIdOf,
} from '../../src/x509/key.ts'
import { OID } from '../../src/x509/oids.ts'
import { toPem } from '../../src/x509/pem.ts'

// Certificates that the product would never make: each field can be wrong.

export const NOW: Date = new Date('2030-06-15T12:00:00Z')
export const DAY_MS = 86_400_000

/** Somebody with a name and a key. */
export interface Party {
  readonly name: Buffer
  readonly signer: Signer
  readonly keyId: Buffer
}

export async function party(commonName: string, kind: KeyKind = 'ec-p256'): Promise<Party> {
  const { privateKey } = await generateKeyPair(kind)
  return partyWith(commonName, softwareSigner(privateKey))
}

export function partyWith(commonName: string, signer: Signer): Party {
  return { name: nameOf(commonName), signer, keyId: subjectKeyIdOf(spkiOf(signer.publicKey)) }
}

/** A Name, DER; empty text gives the empty Name. */
export function nameOf(commonName: string): Buffer {
  return commonName === ''
    ? sequence()
    : sequence(set(sequence(oid(OID.commonName), utf8String(commonName))))
}

export interface Shape {
  readonly ca?: boolean
  readonly pathLength?: number
  /** Names of RFC 5280 §4.2.1.3; null leaves the extension out. */
  readonly usage?: readonly string[] | null
  readonly uris?: readonly string[]
  readonly dnsNames?: readonly string[]
  readonly ips?: readonly Buffer[]
  /** null leaves the extension out. */
  readonly subjectKeyId?: Buffer | null
  readonly authorityKeyId?: Buffer | null
  readonly basicConstraints?: null
  readonly notBefore?: Date
  readonly notAfter?: Date
  readonly serial?: Buffer
  readonly version?: number
  /** AlgorithmIdentifier in the signed part, where it is to differ from the outer one. */
  readonly innerAlgorithm?: Buffer
  readonly extra?: readonly Buffer[]
  /** In place of all extensions. */
  readonly extensions?: readonly Buffer[]
}

export interface Made extends Party {
  readonly der: Buffer
  readonly certificate: Certificate
}

const BITS = [
  'digitalSignature',
  'nonRepudiation',
  'keyEncipherment',
  'dataEncipherment',
  'keyAgreement',
  'keyCertSign',
  'cRLSign',
]

export function keyUsage(names: readonly string[], critical = true): Buffer {
  const octet = names.reduce((bits, name) => bits | (0x80 >> BITS.indexOf(name)), 0)
  const unused = octet === 0 ? 0 : 31 - Math.clz32(octet & -octet)
  return extension(OID.keyUsage, bitString(Buffer.of(octet), unused), critical)
}

export function basicConstraints(ca: boolean, pathLength?: number): Buffer {
  const items = ca ? [boolean(true)] : []
  if (pathLength !== undefined) items.push(integer(Buffer.of(pathLength)))
  return extension(OID.basicConstraints, sequence(...items), true)
}

export function alternativeNames(
  uris: readonly string[],
  dnsNames: readonly string[] = [],
  ips: readonly Buffer[] = [],
  critical = false,
): Buffer {
  return extension(
    OID.subjectAltName,
    sequence(
      ...uris.map((uri) => element(0x86, Buffer.from(uri, 'utf8'))),
      ...dnsNames.map((name) => element(0x82, Buffer.from(name, 'utf8'))),
      ...ips.map((ip) => element(0x87, ip)),
    ),
    critical,
  )
}

/** Permitted and excluded subtrees, as `[tag of the form, base]`. */
export function nameConstraints(
  permitted: readonly (readonly [number, string | Buffer])[],
  excluded: readonly (readonly [number, string | Buffer])[] = [],
  critical = true,
): Buffer {
  const list = (tag: number, items: typeof permitted): Buffer[] =>
    items.length === 0
      ? []
      : [element(tag, ...items.map(([form, base]) => sequence(element(form, Buffer.from(base)))))]
  return extension(
    OID.nameConstraints,
    sequence(...list(0xa0, permitted), ...list(0xa1, excluded)),
    critical,
  )
}

function extensionsOf(subject: Party, issuer: Party, shape: Shape): readonly Buffer[] {
  const { ca = false, uris = [], dnsNames = [], ips = [] } = shape
  const usage =
    shape.usage === undefined
      ? ca
        ? ['keyCertSign', 'cRLSign']
        : ['digitalSignature']
      : shape.usage
  const list: Buffer[] = []
  if (shape.basicConstraints !== null) list.push(basicConstraints(ca, shape.pathLength))
  if (usage !== null) list.push(keyUsage(usage))
  if (uris.length + dnsNames.length + ips.length > 0) {
    list.push(alternativeNames(uris, dnsNames, ips))
  }
  if (shape.subjectKeyId !== null) {
    const id = shape.subjectKeyId ?? subject.keyId
    list.push(extension(OID.subjectKeyIdentifier, octetString(id)))
  }
  if (shape.authorityKeyId !== null) {
    const id = shape.authorityKeyId ?? issuer.keyId
    list.push(extension(OID.authorityKeyIdentifier, sequence(element(0x80, id))))
  }
  return [...list, ...(shape.extra ?? [])]
}

let serials = 1

/** DER of a certificate for `subject`, signed by `issuer`, by default a good leaf. */
export async function certificateDer(subject: Party, issuer: Party, shape: Shape): Promise<Buffer> {
  const algorithm = signingAlgorithmFor(issuer.signer.kind).der
  const extensions = shape.extensions ?? extensionsOf(subject, issuer, shape)
  const tbs = sequence(
    element(0xa0, integer(Buffer.of(shape.version ?? 2))),
    shape.serial ?? integer(Buffer.of(1, 0, serials++ & 0xff)),
    shape.innerAlgorithm ?? algorithm,
    issuer.name,
    sequence(
      time(shape.notBefore ?? new Date(NOW.getTime() - DAY_MS)),
      time(shape.notAfter ?? new Date(NOW.getTime() + DAY_MS)),
    ),
    subject.name,
    spkiOf(subject.signer.publicKey),
    ...(extensions.length === 0 ? [] : [element(0xa3, sequence(...extensions))]),
  )
  return sequence(tbs, algorithm, bitString(await issuer.signer.sign(tbs)))
}

export async function certify(subject: Party, issuer: Party, shape: Shape): Promise<Made> {
  const der = await certificateDer(subject, issuer, shape)
  return { ...subject, der, certificate: parseCertificate(der) }
}

/** A self-signed CA with a key of its own. */
export async function root(commonName: string, shape: Shape = {}): Promise<Made> {
  const self = await party(commonName)
  return certify(self, self, { ca: true, ...shape })
}

/** Something issued by `issuer`, with a key of its own. */
export async function issued(commonName: string, issuer: Party, shape: Shape): Promise<Made> {
  return certify(await party(commonName), issuer, shape)
}

export function bundleOf(trustDomain: string, ...authorities: readonly { der: Buffer }[]): Bundle {
  return {
    trustDomain: TrustDomain.parse(trustDomain),
    x509Authorities: authorities.map(({ der }) => ({ certificate: der, tainted: false })),
    jwtAuthorities: [],
    sequence: 1n,
    refreshHintSeconds: 0,
  }
}

export function sourceOf(...bundles: readonly Bundle[]): BundleLookup {
  const byName = new Map(bundles.map((bundle) => [bundle.trustDomain, bundle]))
  return { bundleOf: (trustDomain) => byName.get(trustDomain) }
}

/** What `openssl verify` says of a chain at an instant; without a root it is not asked. */
export function opensslAccepts(input: {
  leaf: Buffer
  intermediates: readonly Buffer[]
  roots: readonly Buffer[]
  now: Date
}): boolean {
  if (input.roots.length === 0) return false
  const folder = mkdtempSync(join(tmpdir(), 'x509-'))
  try {
    const write = (name: string, ders: readonly Buffer[]): string => {
      const path = join(folder, name)
      writeFileSync(path, ders.map((der) => toPem('CERTIFICATE', der)).join(''))
      return path
    }
    const seconds = Math.floor(input.now.getTime() / 1000)
    const options = ['verify', '-no-CApath', '-no-CAstore', '-attime', String(seconds)]
    options.push('-CAfile', write('roots.pem', input.roots))
    if (input.intermediates.length > 0) {
      options.push('-untrusted', write('intermediates.pem', input.intermediates))
    }
    execFileSync('openssl', [...options, write('leaf.pem', [input.leaf])], { stdio: 'ignore' })
    return true
  } catch (error) {
    if (typeof error === 'object' && error !== null && 'status' in error && error.status === 2) {
      return false
    }
    throw error
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** The reason of the error that `attempt` ends with; `'ok'` where it does not. Other errors pass through. */
export function reasonOf(attempt: () => unknown): string {
  try {
    attempt()
    return 'ok'
  } catch (error) {
    if (error instanceof CountersignError) return error.reason
    throw error
  }
}

export async function reasonOfAsync(attempt: () => Promise<unknown>): Promise<string> {
  try {
    await attempt()
    return 'ok'
  } catch (error) {
    if (error instanceof CountersignError) return error.reason
    throw error
  }
}
