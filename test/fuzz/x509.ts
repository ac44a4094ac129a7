import { type KeyObject, X509Certificate } from 'node:crypto'
import fc from 'fast-check'
import { SpiffeId, TrustDomain } from '../../src/spiffe-id/spiffe-id.ts'
import { type VerifiedX509Svid, verifyX509Svid } from '../../src/svid/x509-svid.ts'
import { signingAlgorithmFor } from '../../src/x509/algorithm.ts'
import { splitCertificates } from '../../src/x509/certificate.ts'
import { createCsr, parseCsr } from '../../src/x509/csr.ts'
import { bitString, element, oid, sequence, set } from '../../src/x509/der-write.ts'
import { generateKeyPair, type KeyKind, type Signer, softwareSigner } from '../../src/x509/key.ts'
import { OID } from '../../src/x509/oids.ts'
import { fromPem, toPem } from '../../src/x509/pem.ts'
import { type ChainRecipe, chainRecipes } from '../interop/parsers/chain-recipes.ts'
import { type ChainWorld, makeChain, newChainWorld } from '../interop/parsers/chains.ts'
import { type DerNode, derBytes, derEdit, derTree, edited } from '../support/der-tree.ts'
import { textEdits, withTextEdits } from '../support/text-edits.ts'
import { alternativeNames, NOW, nameConstraints, root } from '../support/x509-fixtures.ts'
import { withByteEdits, withTextBytes } from './bytes.ts'
import type { Parser } from './target.ts'

const td = TrustDomain.parse('example.org')

/** Each sample with its elements changed, with its bytes changed, or as it is. */
function derInputs(samples: readonly Buffer[]): fc.Arbitrary<Uint8Array> {
  const trees = samples.map(derTree)
  return withByteEdits(
    fc
      .tuple(fc.constantFrom(...trees), fc.array(derEdit, { maxLength: 2 }))
      .map(([tree, edits]) => derBytes(edited(tree, edits))),
  )
}

/** The part of each that is signed. */
function signedPart(der: Buffer): Buffer {
  const [part] = derTree(der).inside as DerNode[]
  return derBytes(part as DerNode)
}

/** Signed after all edits, so that what is behind the signature is reached. */
async function signedBy(signer: Signer, part: Uint8Array): Promise<Buffer> {
  const bytes = Buffer.from(part)
  const algorithm = signingAlgorithmFor(signer.kind).der
  return sequence(bytes, algorithm, bitString(await signer.sign(bytes)))
}

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
export async function certificateParser(): Promise<Parser> {
  const world = await newChainWorld()
  const made = await Promise.all(
    fc.sample(chainRecipes, 200).map((recipe) => makeChain(asItShouldBe(recipe), world)),
  )
  const chains = made.map(({ chain }) => chain)
  const leaves = chains.flatMap((chain) => firstOf(chain))
  const authorities = chains.flatMap((chain) => firstOf(chain, 1))
  const parts = (all: readonly Buffer[]) => derInputs(all.map(signedPart))
  const unsigned = fc.tuple(parts(leaves), parts([...authorities, world.root.der]))
  return {
    inputs: fc.oneof(
      // The first octet says who signs.
      fc.tuple(fc.constantFrom(0, 0, 1), unsigned).map(([by, [leaf, between]]) => {
        return Buffer.concat([Buffer.of(by), joined(leaf, between)])
      }),
      derInputs(leaves).map((leaf) => Buffer.concat([Buffer.of(2), leaf])),
    ),
    async take(input) {
      const chain = await shownChain(input, world)
      checkAgainstOpenSsl(verifyX509Svid(splitCertificates(chain), world.bundles, NOW))
    },
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

const kinds: readonly KeyKind[] = ['ec-p256', 'ec-p384', 'ec-p521', 'rsa-2048', 'ed25519']

/** Requests that are signed after they were changed, and some that were changed afterwards. */
export async function csrParser(): Promise<Parser> {
  const signers = await Promise.all(
    kinds.map(async (kind) => softwareSigner((await generateKeyPair(kind)).privateKey)),
  )
  const samples = await Promise.all(
    signers.map((signer) => createCsr(signer, { spiffeId: SpiffeId.of(td, '/web') })),
  )
  const attribute = (id: string, ...values: readonly Buffer[]): Buffer =>
    sequence(oid(id), set(...values))
  const names = alternativeNames(['spiffe://example.org/a', 'x:'], ['a.example', '*.b'])
  const constraints = nameConstraints([[0x86, 'example.org']])
  const attributes = [
    [],
    [attribute(OID.extensionRequest, sequence(names, constraints))],
    [attribute('1.2.840.113549.1.9.7', Buffer.from('0c0161', 'hex'))],
    [attribute(OID.extensionRequest, sequence(names)), attribute('1.2.3', sequence())],
  ].map((some) => derTree(element(0xa0, ...some)))
  const parts = samples.map(signedPart).map((part, by) => {
    const tree = derTree(part)
    const others = attributes.map((one) => {
      return derBytes({ ...tree, inside: [...(tree.inside as DerNode[]).slice(0, 3), one] })
    })
    return derInputs([part, ...others]).map((info) => Buffer.concat([Buffer.of(by), info]))
  })
  const whole = derInputs(samples).map((der) => Buffer.concat([Buffer.of(0xff), der]))
  return {
    inputs: fc.oneof(...parts, whole),
    async take(input) {
      const signer = signers[input[0] ?? 0]
      const rest = input.subarray(1)
      const request = parseCsr(signer === undefined ? rest : await signedBy(signer, rest))
      await request.verify()
      // The key that was proved is the key that goes into the certificate, octet by octet.
      const key = request.publicKey.export({ type: 'spki', format: 'der' })
      if (!key.equals(request.spki)) throw new Error(`another key: ${key.toString('hex')}`)
    },
  }
}

/** What is read from PEM is read again from what is written of it. */
export async function pemParser(): Promise<Parser> {
  const ca = await root('CA')
  const block = toPem('CERTIFICATE', ca.der)
  const pieces = [
    '-----BEGIN ',
    '-----END ',
    '-----',
    '\n',
    '\r',
    ' ',
    'A',
    '=',
    '-',
    'CERTIFICATE',
  ]
  const texts = fc
    .tuple(
      fc.constantFrom(block, `${block}${block}`, `x\n${block}y`, toPem('PRIVATE KEY', ca.der), ''),
      textEdits([...pieces, 'Proc-Type: 4,ENCRYPTED\n', '-----BEGIN '.repeat(1000)]),
    )
    .map(([sample, edits]) => withTextEdits(sample, edits))
  return {
    inputs: withTextBytes(texts),
    take(input) {
      const blocks = fromPem(Buffer.from(input).toString())
      const again = fromPem(blocks.map(({ label, der }) => toPem(label, der)).join(''))
      if (JSON.stringify(again) !== JSON.stringify(blocks)) throw new Error('read otherwise again')
    },
  }
}
