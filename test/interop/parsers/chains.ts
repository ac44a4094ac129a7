import { createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import fc from 'fast-check'
import { writeBundleDocument } from '../../../src/bundle/document.ts'
import { verifyX509Svid, x509SvidFrom } from '../../../src/svid/x509-svid.ts'
import { splitCertificates } from '../../../src/x509/certificate.ts'
import { bitString, octetString, oid, sequence } from '../../../src/x509/der-write.ts'
import { extension } from '../../../src/x509/encode.ts'
import type { Signer } from '../../../src/x509/key.ts'
import { OID } from '../../../src/x509/oids.ts'
import { type DerEdit, derBytes, derEdit, derTree, edited } from '../../support/der-tree.ts'
import { editedText } from '../../support/text-edits.ts'
import {
  bundleOf,
  certificateDer,
  type Made,
  NOW,
  nameConstraints,
  nameOf,
  type Party,
  party,
  root,
  type Shape,
  sourceOf,
} from '../../support/x509-fixtures.ts'
import { type Difference, refusedHere, refusedThere, type Seen } from './comparison.ts'
import type { Question } from './go-verdicts.ts'

type LeafKey =
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

interface Recipe {
  readonly shape: Shape
  /** Edits of the part that is signed, before it is. */
  readonly edits: readonly DerEdit[]
}

const curve = (namedCurve: string): KeyObject =>
  generateKeyPairSync('ec', { namedCurve }).privateKey
const rsa = (modulusLength: number, publicExponent = 65_537): KeyObject =>
  generateKeyPairSync('rsa', { modulusLength, publicExponent }).privateKey
const leafKeys: Readonly<Record<LeafKey, KeyObject>> = {
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

/** Those that sign. The foreign root calls itself what the root does, and shows its key ID. */
export interface ChainWorld {
  readonly root: Made
  readonly narrowRoot: Made
  readonly foreignRoot: Party
  readonly intermediate: Party
  readonly bundles: ReturnType<typeof sourceOf>
  /** The bundle as a document. */
  readonly document: string
}

export async function newChainWorld(): Promise<ChainWorld> {
  const ours = await root('ours')
  const narrowRoot = await root('narrow', { extra: [nameConstraints([[0x86, 'example.org']])] })
  const foreign = await party('ours')
  const bundle = bundleOf('example.org', ours, narrowRoot)
  return {
    root: ours,
    narrowRoot,
    foreignRoot: { ...foreign, keyId: ours.keyId },
    intermediate: await party('between'),
    bundles: sourceOf(bundle),
    document: writeBundleDocument(bundle),
  }
}

/** Keys that we do not use make certificates here all the same. */
function signerOf(privateKey: KeyObject): Signer {
  const hash = privateKey.asymmetricKeyType === 'ed25519' ? null : 'sha256'
  const kind =
    privateKey.asymmetricKeyType === 'ec'
      ? 'ec-p256'
      : privateKey.asymmetricKeyType === 'rsa'
        ? 'rsa-2048'
        : 'ed25519'
  return {
    publicKey: createPublicKey(privateKey),
    kind,
    sign: async (data) => sign(hash, data, privateKey),
  }
}

/** What is shown to both sides. */
export interface ShownChain {
  readonly recipe: ChainRecipe
  /** DER, leaf first. */
  readonly chain: Buffer
  /** The leaf's, PKCS#8. */
  readonly key: Buffer
}

export async function makeChain(recipe: ChainRecipe, world: ChainWorld): Promise<ShownChain> {
  const privateKey = leafKeys[recipe.leafKey]
  const leaf: Party = {
    name: nameOf('leaf'),
    signer: signerOf(privateKey),
    keyId: Buffer.alloc(20, 7),
  }
  const issuers: Readonly<Record<ChainRecipe['signedBy'], Party>> = {
    root: world.root,
    'narrow root': world.narrowRoot,
    intermediate: world.intermediate,
    'foreign root': world.foreignRoot,
    itself: leaf,
  }
  const made = await certificate(leaf, issuers[recipe.signedBy], recipe.leaf)
  const shown = [derBytes(edited(derTree(made), recipe.afterwards))]
  if (recipe.signedBy === 'intermediate') {
    shown.push(await certificate(world.intermediate, world.root, recipe.intermediate))
  }
  if (recipe.rootComesAlong) shown.push(world.root.der)
  return {
    recipe,
    chain: Buffer.concat([...shown, recipe.behind]),
    key: privateKey.export({ format: 'der', type: 'pkcs8' }),
  }
}

async function certificate(subject: Party, issuer: Party, recipe: Recipe): Promise<Buffer> {
  const der = await certificateDer(subject, issuer, recipe.shape)
  if (recipe.edits.length === 0) return der
  const { inside } = derTree(der)
  const [tbs, algorithm] = Array.isArray(inside) ? inside : []
  if (tbs === undefined || algorithm === undefined) throw new TypeError('not a certificate')
  const signed = derBytes(edited(tbs, recipe.edits))
  return sequence(signed, derBytes(algorithm), bitString(await issuer.signer.sign(signed)))
}

export function readChain({ recipe, chain, key }: ShownChain, world: ChainWorld): unknown {
  const certificates = splitCertificates(chain)
  if (recipe.kind === 'verify') return verifyX509Svid(certificates, world.bundles, NOW).spiffeId
  const svid = x509SvidFrom(certificates, key)
  return [svid.spiffeId, svid.notBefore.getTime() / 1000, svid.expiresAt.getTime() / 1000]
}

export function chainQuestion({ recipe, chain, key }: ShownChain): Question {
  return {
    kind: recipe.kind,
    chain: chain.toString('base64'),
    ...(recipe.kind === 'parse' ? { key: key.toString('base64') } : { now: NOW.toISOString() }),
  }
}

function isEdited({ recipe }: ShownChain): boolean {
  return (
    [recipe.leaf.edits, recipe.intermediate.edits, recipe.afterwards].some(
      (edits) => edits.length > 0,
    ) || recipe.behind.length > 0
  )
}

/** The first one, before edits. */
function uriOf({ recipe }: ShownChain): string {
  return recipe.leaf.shape.uris?.[0] ?? ''
}

function namesKeyIds({ shape }: Recipe): boolean {
  return shape.authorityKeyId !== undefined || shape.subjectKeyId !== undefined
}

/** Refused here as malformed, in these words: what is DER is not told by a reason of its own. */
function malformedHere(seen: Seen<ShownChain>, words: string): boolean {
  return (
    refusedHere(seen, 'svid-certificate-malformed') &&
    'refused' in seen.ours &&
    seen.ours.message.endsWith(words)
  )
}

export const chainDifferences: readonly Difference<ShownChain>[] = [
  {
    what: 'the ID of a trust domain is not taken for a workload in a handshake',
    rule: 'X509-06',
    isSeenIn: (seen) => refusedHere(seen, 'svid-root-path') && seen.input.recipe.kind === 'verify',
  },
  {
    what: 'an ID of more than 2048 bytes is refused here, in a certificate too',
    rule: 'ID-18',
    isSeenIn: (seen) => refusedHere(seen, 'svid-id') && uriOf(seen.input).length > 2048,
  },
  {
    what: 'the URI is taken as it stands: no scheme in upper case, no empty fragment',
    rule: 'ID-04, ID-21',
    isSeenIn: (seen) =>
      refusedHere(seen, 'svid-id') &&
      (isEdited(seen.input) || /#$|^(?!spiffe:)/.test(uriOf(seen.input))),
  },
  {
    what: 'a trust domain name need not be a DNS name, as it must for crypto/x509',
    rule: 'ID-11',
    isSeenIn: (seen) => refusedThere(seen, 'invalid domain'),
  },
  {
    what: 'an authority whose key usage says nothing of signing certificates has signed none',
    rule: 'X509-17, X509-24',
    isSeenIn: (seen) => refusedHere(seen, 'svid-chain-key-usage'),
  },
  {
    what: 'a key identifier that names another key than the authority’s is believed',
    rule: 'RFC 5280 §4.2.1.1',
    isSeenIn: (seen) =>
      refusedHere(seen, 'svid-chain-unknown-authority') &&
      (isEdited(seen.input) ||
        [seen.input.recipe.leaf, seen.input.recipe.intermediate].some(namesKeyIds)),
  },
  {
    what: 'only an authority has a path length',
    rule: 'RFC 5280 §4.2.1.9',
    isSeenIn: (seen) => malformedHere(seen, 'path length without CA'),
  },
  {
    what: 'a serial number has at most 20 octets',
    rule: 'RFC 5280 §4.1.2.2',
    isSeenIn: (seen) => malformedHere(seen, 'serial number negative or too long'),
  },
  {
    what: 'keys are RSA from 2048 bits and exponent 65537 on, P-256, P-384, P-521 or Ed25519',
    rule: 'NIST SP 800-131A §3',
    isSeenIn: (seen) =>
      refusedHere(seen, 'svid-certificate-key-unknown', 'svid-certificate-key-weak') &&
      (isEdited(seen.input) ||
        ['P-224', 'RSA 1024', 'RSA with exponent 3'].includes(seen.input.recipe.leafKey)),
  },
  {
    what: 'a DNS name that is none does no harm where only URIs are constrained',
    rule: 'RFC 5280 §4.2.1.10',
    isSeenIn: (seen) => refusedThere(seen, 'cannot parse dnsName'),
  },
  {
    what: 'a Name is compared octet by octet, and what is in it is not looked at',
    rule: 'RFC 5280 §7.1',
    isSeenIn: (seen) => refusedThere(seen, 'RDNSequence') && isEdited(seen.input),
  },
  {
    what: 'what is not DER all the way down is refused, also where nobody looks',
    rule: 'X.690 §10',
    isSeenIn: (seen) => refusedHere(seen, 'svid-certificate-malformed') && isEdited(seen.input),
  },
]
