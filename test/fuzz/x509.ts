import { type KeyObject, X509Certificate } from 'node:crypto'
import fc from 'fast-check'
import { SpiffeId, TrustDomain } from '../../src/spiffe-id/spiffe-id.ts'
import { type VerifiedX509Svid, verifyX509Svid } from '../../src/svid/x509-svid.ts'
import { splitCertificates } from '../../src/x509/certificate.ts'
import { element, oid, sequence } from '../../src/x509/der-write.ts'
import { extension } from '../../src/x509/encode.ts'
import { OID } from '../../src/x509/oids.ts'
import { type ChainRecipe, chainRecipes } from '../interop/parsers/chain-recipes.ts'
import { type ChainWorld, makeChain, newChainWorld } from '../interop/parsers/chains.ts'
import {
  certificateDer,
  NOW,
  nameConstraints,
  type Party,
  party,
  type Shape,
} from '../support/x509-fixtures.ts'
import { derInputs, signedBy, signedPart } from './der-inputs.ts'
import type { Parser } from './target.ts'

const td = TrustDomain.parse('example.org')

/** Two octets say how long the first is. */
function joined(first: Uint8Array, second: Uint8Array): Buffer {
  return Buffer.concat([Buffer.of(first.length >> 8, first.length & 0xff), first, second])
}

function parted(input: Uint8Array): [first: Buffer, second: Buffer] {
  const bytes = Buffer.from(input)
  const end = bytes.length < 2 ? 0 : 2 + bytes.readUInt16BE(0)
  return [bytes.subarray(2, end), bytes.subarray(end)]
}

/** Chains of every shape: signed after they were changed, and changed after they were signed. */
export async function certificateParser(seed: number): Promise<Parser> {
  const world = await newChainWorld()
  const recipes = fc.sample(chainRecipes, { seed, numRuns: 200 }).map(asItShouldBe)
  const made = await Promise.all(recipes.map((recipe) => makeChain(recipe, world)))
  const named = await withNames(world)
  const by = (issuer: ChainRecipe['signedBy'], at = 0): Buffer[] =>
    made.flatMap(({ recipe, chain }) => (recipe.signedBy === issuer ? firstOf(chain, at) : []))
  const leaves = made.flatMap(({ chain }) => firstOf(chain))
  const parts = (all: readonly Buffer[]) => derInputs(all.map(signedPart))
  const authorities = [...by('intermediate', 1), ...named.authorities, world.root.der]
  const byRoot = fc.tuple(parts(by('root')), fc.constant(Buffer.alloc(0)))
  const byOther = fc.tuple(
    parts([...by('intermediate'), ...named.leaves, ...named.leaves]),
    parts(authorities),
  )
  return {
    inputs: fc.oneof(
      // The first octet says who signs.
      byRoot.map(([leaf, between]) => Buffer.concat([Buffer.of(0), joined(leaf, between)])),
      byOther.map(([leaf, between]) => Buffer.concat([Buffer.of(1), joined(leaf, between)])),
      derInputs(leaves).map((leaf) => Buffer.concat([Buffer.of(2), leaf])),
    ),
    async take(input) {
      const chain = await shownChain(input, world)
      checkAgainstOpenSsl(verifyX509Svid(splitCertificates(chain), world.bundles, NOW))
    },
  }
}

const ip = (...octets: readonly number[]): Buffer => Buffer.from(octets)

/** Names of every form, and authorities that may give some of them. */
async function withNames({ root, intermediate }: ChainWorld) {
  const leaf = await party('leaf')
  const uris = ['spiffe://example.org/web']
  const other = [element(0x81, Buffer.from('a@b.example')), element(0xa0, oid('1.2.3'))]
  const names = [
    { uris, dnsNames: ['web.example.org', '*.example.org'] },
    { uris, ips: [ip(10, 0, 0, 1), Buffer.alloc(16, 1)] },
    { uris, dnsNames: ['web.example.org'], ips: [ip(10, 0, 0, 1)] },
    {
      extra: [
        extension(OID.subjectAltName, sequence(element(0x86, Buffer.from(uris.join())), ...other)),
      ],
    },
  ]
  const network = Buffer.concat([ip(10, 0, 0, 0), ip(255, 0, 0, 0)])
  const permitted = [
    [[0x86, 'example.org']],
    [
      [0x82, 'example.org'],
      [0x82, ''],
    ],
    [
      [0x82, '.example.org'],
      [0x87, network],
    ],
    [
      [0x87, Buffer.alloc(32)],
      [0x86, 'example.org'],
    ],
  ] as const
  const excluded = [
    [],
    [[0x82, 'x.example.org']],
    [[0x82, 'org']],
    [[0x87, network]],
    [[0x86, '.org']],
  ] as const
  const make = (subject: Party, issuer: Party, shape: Shape) =>
    certificateDer(subject, issuer, shape)
  return {
    leaves: await Promise.all(names.map((shape) => make(leaf, intermediate, shape))),
    authorities: await Promise.all(
      permitted.flatMap((some) =>
        excluded.map((none) =>
          make(intermediate, root, { ca: true, extra: [nameConstraints(some, none)] }),
        ),
      ),
    ),
  }
}

/** Of all shapes, but unedited: that comes later. */
function asItShouldBe(recipe: ChainRecipe): ChainRecipe {
  const { leaf, intermediate } = recipe
  return {
    ...{ ...recipe, afterwards: [], behind: Buffer.alloc(0) },
    leaf: { ...leaf, edits: [] },
    intermediate: { ...intermediate, edits: [] },
  }
}

/** The certificate at this place of a chain, where it can be told apart. */
function firstOf(chain: Buffer, at = 0): Buffer[] {
  try {
    return splitCertificates(chain)
      .slice(at, at + 1)
      .map((der) => Buffer.from(der))
  } catch {
    return []
  }
}

async function shownChain(input: Uint8Array, world: ChainWorld): Promise<Buffer> {
  const [by, rest] = [input[0], input.subarray(1)]
  if (by === 2) return Buffer.from(rest)
  const [leaf, between] = parted(rest)
  if (by === 0) return signedBy(world.root.signer, leaf)
  return Buffer.concat([
    await signedBy(world.intermediate.signer, leaf),
    await signedBy(world.root.signer, between),
  ])
}

/** What is accepted is for this trust domain, and OpenSSL sees the same ID, and each signature. */
function checkAgainstOpenSsl({ spiffeId, path }: VerifiedX509Svid): void {
  if (SpiffeId.trustDomainOf(SpiffeId.parse(spiffeId)) !== td) throw new Error('a foreign ID')
  const read = path.flatMap(({ der }) => byOpenSsl(der))
  // It looks into Names and extensions that mean nothing here.
  if (read.length < path.length || read[0]?.subjectAltName === undefined) return
  const isNow = ({ validFromDate, validToDate }: X509Certificate): boolean =>
    validFromDate <= NOW && NOW <= validToDate
  if (!read.every(isNow)) throw new Error('OpenSSL sees one that is not valid now')
  const [leaf, ...issuers] = read
  const uris = leaf?.subjectAltName?.split(', ').filter((name) => name.startsWith('URI:'))
  if (uris?.join() !== `URI:${spiffeId}`) throw new Error(`OpenSSL reads ${uris} for ${spiffeId}`)
  if (leaf?.ca) throw new Error('OpenSSL takes the leaf for an authority')
  for (const [at, issuer] of issuers.entries()) {
    const subject = read[at]
    if (!subject?.verify(issuer.publicKey as KeyObject))
      throw new Error('OpenSSL sees no signature')
  }
}

function byOpenSsl(der: Buffer): X509Certificate[] {
  try {
    return [new X509Certificate(der)]
  } catch {
    return []
  }
}
