import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import fc from 'fast-check'
import { element, octetString, oid, sequence } from '../../../src/x509/der-write.ts'
import { extension } from '../../../src/x509/encode.ts'
import { OID } from '../../../src/x509/oids.ts'
import { type DerEdit, derEdit } from '../../support/der-tree.ts'
import { editedText } from '../../support/text-edits.ts'
import { NOW, nameConstraints, type Shape } from '../../support/x509-fixtures.ts'

export type LeafKey =
  | 'P-256'
  | 'P-384'
  | 'P-521'
  | 'P-224'
  | 'secp256k1'
  | 'RSA 2048'
  | 'RSA 1024'
  | 'RSA 2056'
  | 'RSA with exponent 3'
  | 'Ed25519'

/** How a chain is made. What is wrong with it is signed like all else, or done afterwards. */
export interface ChainRecipe {
  readonly kind: 'parse' | 'verify'
  readonly leaf: Recipe
  readonly leafKey: LeafKey
  readonly signedBy: 'root' | 'narrow root' | 'intermediate' | 'foreign root' | 'itself'
  readonly intermediate: Recipe
  readonly rootComesAlong: boolean
  /** Edits of the leaf after it was signed. */
  readonly afterwards: readonly DerEdit[]
  /** Behind the last certificate. */
  readonly behind: Uint8Array
}

/** One certificate. */
export interface Recipe {
  readonly shape: Shape
  /** Edits of the part that is signed, before it is. */
  readonly edits: readonly DerEdit[]
}

const curve = (namedCurve: string): KeyObject =>
  generateKeyPairSync('ec', { namedCurve }).privateKey
const rsa = (modulusLength: number, publicExponent = 65_537): KeyObject =>
  generateKeyPairSync('rsa', { modulusLength, publicExponent }).privateKey
export const leafKeys: Readonly<Record<LeafKey, KeyObject>> = {
  'P-256': curve('P-256'),
  'P-384': curve('P-384'),
  'P-521': curve('P-521'),
  'P-224': curve('P-224'),
  secp256k1: curve('secp256k1'),
  'RSA 2048': rsa(2048),
  'RSA 1024': rsa(1024),
  'RSA 2056': rsa(2056),
  'RSA with exponent 3': rsa(2048, 3),
  Ed25519: generateKeyPairSync('ed25519').privateKey,
}

const id = 'spiffe://example.org/web'
const uri = editedText(
  fc.constantFrom(
    ...[id, id, id, 'spiffe://example.org/a/b.c-d_E', 'spiffe://example.org', 'spiffe://other/web'],
    ...[
      'SPIFFE://example.org/web',
      'https://example.org/web',
      `spiffe://example.org/${'a'.repeat(2027)}`,
      `spiffe://example.org/${'a'.repeat(2028)}`,
    ],
    ...['spiffe://a..b/web', 'spiffe://example.org./web', 'spiffe://example.org/web#'],
  ),
  [...'/?#@:%[]AZaz09._- \0\x7f', 'ä', '%41', '/..', '//'],
)
const uris = fc.oneof(
  { weight: 12, arbitrary: fc.constant([id]) },
  { weight: 4, arbitrary: uri.map((one) => [one]) },
  { weight: 1, arbitrary: fc.constant<string[]>([]) },
  { weight: 1, arbitrary: fc.tuple(uri, uri) },
)
const usages = ['digitalSignature', 'keyEncipherment', 'keyAgreement', 'keyCertSign', 'cRLSign']
const integerOf = (...octets: number[]): Buffer => Buffer.of(2, octets.length, ...octets)
const serial = fc.constantFrom(
  integerOf(0),
  integerOf(0xff),
  integerOf(0, 1),
  integerOf(...Array<number>(20).fill(0x7f)),
  integerOf(...Array<number>(21).fill(0x7f)),
  integerOf(...Array<number>(22).fill(0x7f)),
)
const seconds = (n: number): Date => new Date(NOW.getTime() + n * 1000)
const before = fc.constantFrom(seconds(-1), NOW, seconds(1), new Date('1949-12-31T23:59:59Z'))
const after = fc.constantFrom(seconds(-1), NOW, seconds(1), new Date('2050-01-01T00:00:00Z'))
const extra = fc.constantFrom(
  extension('1.2.3.4', octetString(Buffer.of(1))),
  extension('1.2.3.4', octetString(Buffer.of(1)), true),
  extension(OID.extendedKeyUsage, sequence(oid(OID.serverAuth), oid(OID.clientAuth))),
  extension(OID.extendedKeyUsage, sequence(oid('1.2.3')), true),
  // 1.2.2147483648: one more than 31 bits hold.
  sequence(element(6, Buffer.of(0x2a, 0x88, 0x80, 0x80, 0x80, 0)), octetString(Buffer.of(1))),
  nameConstraints([[0x86, 'example.org']]),
  nameConstraints([], [[0x86, '.example.org']]),
)

const seldom = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.oneof({ weight: 30, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: value })

function shape(usual: Shape): fc.Arbitrary<Shape> {
  return fc
    .record({
      usage: seldom(fc.oneof(fc.constant(null), fc.subarray(usages))),
      ca: seldom(fc.boolean()),
      pathLength: seldom(fc.constantFrom(0, 1, 127)),
      basicConstraints: seldom(fc.constant(null)),
      subjectKeyId: seldom(fc.constantFrom(null, Buffer.of(1, 2), Buffer.alloc(0))),
      authorityKeyId: seldom(fc.constantFrom(null, Buffer.of(1, 2))),
      serial: seldom(serial),
      version: seldom(fc.constantFrom(0, 1, 3)),
      notBefore: seldom(before),
      notAfter: seldom(after),
      dnsNames: seldom(fc.array(fc.constantFrom('web.example.org', '*.a', 'ä', 'a b', ''))),
      ips: seldom(fc.constantFrom([Buffer.alloc(4)], [Buffer.alloc(16)], [Buffer.alloc(5)])),
      extra: seldom(fc.array(extra, { minLength: 1, maxLength: 2 })),
    })
    .map((given) => {
      const said = Object.entries(given).filter(([, value]) => value !== undefined)
      return { ...usual, ...Object.fromEntries(said) }
    })
}

const someEdits = fc.oneof(
  { weight: 2, arbitrary: fc.constant<DerEdit[]>([]) },
  { weight: 1, arbitrary: fc.array(derEdit, { minLength: 1, maxLength: 2 }) },
)
const fewEdits = fc.oneof(
  { weight: 15, arbitrary: fc.constant<DerEdit[]>([]) },
  { weight: 1, arbitrary: fc.array(derEdit, { minLength: 1, maxLength: 2 }) },
)

export const chainRecipes: fc.Arbitrary<ChainRecipe> = fc.record({
  kind: fc.constantFrom('parse', 'verify'),
  leaf: fc.record({
    shape: uris.chain((some) => shape({ uris: some })),
    edits: someEdits,
  }),
  leafKey: fc.oneof(
    { weight: 8, arbitrary: fc.constant<LeafKey>('P-256') },
    { weight: 1, arbitrary: fc.constantFrom(...(Object.keys(leafKeys) as LeafKey[])) },
  ),
  signedBy: fc.constantFrom<ChainRecipe['signedBy'][]>(
    ...(['root', 'root', 'root', 'intermediate', 'intermediate'] as const),
    ...(['narrow root', 'foreign root', 'itself'] as const),
  ),
  intermediate: fc.record({
    shape: shape({ ca: true, uris: ['spiffe://example.org'] }),
    edits: fewEdits,
  }),
  rootComesAlong: fc.nat({ max: 9 }).map((n) => n === 0),
  afterwards: fewEdits,
  behind: fc.oneof(
    { weight: 30, arbitrary: fc.constant(new Uint8Array()) },
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 8 }) },
  ),
})
