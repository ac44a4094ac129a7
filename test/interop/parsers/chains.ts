import { createPublicKey, type KeyObject, sign } from 'node:crypto'
import { writeBundleDocument } from '../../../src/bundle/document.ts'
import { verifyX509Svid, x509SvidFrom } from '../../../src/svid/x509-svid.ts'
import { splitCertificates } from '../../../src/x509/certificate.ts'
import { bitString, sequence } from '../../../src/x509/der-write.ts'
import type { Signer } from '../../../src/x509/key.ts'
import { derBytes, derTree, edited } from '../../support/der-tree.ts'
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
  sourceOf,
} from '../../support/x509-fixtures.ts'
import { type ChainRecipe, leafKeys, type Recipe } from './chain-recipes.ts'
import { type Difference, refusedHere, refusedThere, type Seen } from './comparison.ts'
import type { Question } from './go-verdicts.ts'

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
    what: 'a number in an object identifier may have more than 31 bits',
    rule: 'X.690 §8.19',
    isSeenIn: (seen) => refusedThere(seen, 'malformed extension OID'),
  },
  {
    what: 'what is not DER all the way down is refused, also where nobody looks',
    rule: 'X.690 §10',
    isSeenIn: (seen) => refusedHere(seen, 'svid-certificate-malformed') && isEdited(seen.input),
  },
]
