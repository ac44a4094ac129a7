import { generateKeyPairSync, sign } from 'node:crypto'
import { readdirSync } from 'node:fs'
import fc from 'fast-check'
import { openCursor, sealCursor } from '../../server/entry/cursor.ts'
import { verifyForeignToken } from '../../server/oauth/federated/foreign-token.ts'
import { ruleFor } from '../../server/oauth/federated/rules.ts'
import { federatedSchema, readFederated } from '../../server/oauth/federated/settings.ts'
import { refusedRecord, SubjectRefusal } from '../../server/oauth/federated/subject-refusal.ts'
import { parseBundleDocument, parseJwtBundleJwks } from '../../src/bundle/document.ts'
import { SpiffeId, TrustDomain } from '../../src/spiffe-id/spiffe-id.ts'
import { verifyJwtSvid } from '../../src/svid/jwt-svid.ts'
import { verifyX509Svid } from '../../src/svid/x509-svid.ts'
import { splitCertificates } from '../../src/x509/certificate.ts'
import { createCsr, parseCsr } from '../../src/x509/csr.ts'
import { generateKeyPair, type KeyKind, softwareSigner } from '../../src/x509/key.ts'
import { fromPem, toPem } from '../../src/x509/pem.ts'
import { bundleRecipes, makeBundle } from '../interop/parsers/bundles.ts'
import { idInputs } from '../interop/parsers/ids.ts'
import { makeToken, newTokenWorld, tokenRecipes } from '../interop/parsers/tokens.ts'
import { derBytes, derEdit, derTree, edited } from '../support/der-tree.ts'
import { githubClaims, gitlabClaims, kubernetesClaims } from '../support/oidc-issuer.ts'
import { editedText, textEdits, withTextEdits } from '../support/text-edits.ts'
import { bundleOf, issued, NOW, root, sourceOf } from '../support/x509-fixtures.ts'
import { withByteEdits, withTextBytes } from './bytes.ts'
import { feedParser } from './feed.ts'
import { policyParser } from './policy.ts'
import { proxiedRequestParser, requestPathParser } from './proxied.ts'
import type { Target } from './target.ts'

const td = TrustDomain.parse('example.org')

/** What all threads of this process have done. */
function ownWorkMs(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}

/** A parser in this process. */
function parser(
  name: string,
  open: () => Promise<{ inputs: fc.Arbitrary<Uint8Array>; take: (input: Uint8Array) => unknown }>,
): Target {
  return {
    name,
    open: async () => ({
      ...(await open()),
      workedMs: ownWorkMs,
      descriptors: () => readdirSync('/proc/self/fd').length,
      [Symbol.asyncDispose]: async () => {},
    }),
  }
}

const text = (input: Uint8Array): string => Buffer.from(input).toString('utf8')

const spiffeId = parser('spiffe-id', async () => ({
  inputs: withTextBytes(idInputs.map((input) => input.text)),
  take(input) {
    // Both readers have to agree, and a path is judged as in a whole ID.
    const given = text(input)
    const id = SpiffeId.tryParse(given)
    if (TrustDomain.tryParse(given) !== undefined) TrustDomain.parseIdOrName(given)
    if (id === undefined) return SpiffeId.parse(given)
    return SpiffeId.of(SpiffeId.trustDomainOf(id), SpiffeId.pathOf(id))
  },
}))

const token = parser('jwt', async () => {
  const world = await newTokenWorld()
  // Signed once: to sign takes longer than all else.
  const tokens = fc.sample(tokenRecipes, 300).map((recipe) => makeToken(recipe, world).token)
  const pieces = [...'AZaz09-_=.+/ \n\0', '..', '.'.repeat(1000), 'A'.repeat(1000)]
  return {
    inputs: withTextBytes(editedText(fc.constantFrom(...tokens), pieces)),
    take: (input) =>
      verifyJwtSvid(text(input), { audience: 'me', bundles: world.bundles, now: new Date() }),
  }
})

/** Claims of other issuers, signed as they come: what is changed in them is reached. */
const foreignToken = parser('foreign-token', async () => {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const spki = publicKey.export({ type: 'spki', format: 'der' })
  const kinds = ['github', 'gitlab', 'kubernetes'] as const
  const samples = [githubClaims, gitlabClaims, kubernetesClaims].map((claimsOf, at) =>
    JSON.stringify({ iss: `https://${kinds[at]}.example`, ...claimsOf('me') }),
  )
  const names = ['repository_id', 'project_id', 'kubernetes.io/serviceaccount/uid']
  const said = kinds.map((kind, at) => ({
    ...{ issuer: `https://${kind}.example`, kind, audience: 'me', algorithms: ['ES256'] },
    rules: [{ match: { [names[at] ?? '']: '74' }, as: 'spiffe://example.org/ci' }],
  }))
  const own = { issuer: 'https://as.example', trustDomain: td }
  const issuers = new Map(
    [...readFederated(federatedSchema.parse(said), own)].map(([issuer, settings]) => [
      issuer,
      { settings, keys: async () => spki },
    ]),
  )
  const header = Buffer.from('{"alg":"ES256","kid":"a","x5t":"b"}').toString('base64url')
  const pieces = [
    '{',
    '}',
    '[',
    ']',
    '"',
    ':',
    ',',
    'null',
    '1e400',
    '-1',
    '\\u0000',
    '"__proto__":1,',
  ]
  return {
    inputs: withTextBytes(editedText(fc.constantFrom(...samples), pieces)),
    async take(claims) {
      const signed = `${header}.${Buffer.from(claims).toString('base64url')}`
      const key = { key: privateKey, dsaEncoding: 'ieee-p1363' } as const
      const signature = sign('sha256', Buffer.from(signed), key).toString('base64url')
      const found = await verifyForeignToken(`${signed}.${signature}`, issuers, new Date())
      const refusal = new SubjectRefusal('subject-rule', found)
      return ruleFor(found.issuer.rules, found.claims) ?? refusedRecord(refusal)
    },
  }
})

/** Each sample as it is, with its elements changed, with its bytes changed. */
function derInputs(samples: readonly Buffer[]): fc.Arbitrary<Uint8Array> {
  const trees = samples.map(derTree)
  return withByteEdits(
    fc
      .tuple(fc.constantFrom(...trees), fc.array(derEdit, { maxLength: 4 }))
      .map(([tree, edits]) => derBytes(edited(tree, edits))),
  )
}

const csr = parser('csr', async () => {
  const kinds: readonly KeyKind[] = ['ec-p256', 'ec-p384', 'ec-p521', 'rsa-2048', 'ed25519']
  const samples = await Promise.all(
    kinds.map(async (kind) => {
      const { privateKey } = await generateKeyPair(kind)
      return createCsr(softwareSigner(privateKey), { spiffeId: SpiffeId.of(td, '/web') })
    }),
  )
  return { inputs: derInputs(samples), take: (input) => parseCsr(input).verify() }
})

const certificate = parser('certificate', async () => {
  const ca = await root('CA')
  const leaf = await issued('leaf', ca, { uris: ['spiffe://example.org/web'], dnsNames: ['a.b'] })
  const between = await issued('between', ca, { ca: true, uris: ['spiffe://example.org'] })
  const bundles = sourceOf(bundleOf('example.org', ca))
  return {
    inputs: derInputs([leaf.der, ca.der, between.der]).map((der) =>
      Buffer.concat([der, between.der]),
    ),
    take: (input) => verifyX509Svid(splitCertificates(input), bundles, NOW),
  }
})

const pem = parser('pem', async () => {
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
  return { inputs: withTextBytes(texts), take: (input) => fromPem(text(input)) }
})

const bundle = parser('bundle', async () => {
  const texts = bundleRecipes.map((recipe) => makeBundle(recipe).text)
  const long = fc.constantFrom(
    `{"keys":[${'{},'.repeat(300_000)}{}]}`,
    `{"x":"${'\\"'.repeat(400_000)}","keys":[]}`,
    `${'{"a":'.repeat(100_000)}`,
    `{${Array.from({ length: 50_000 }, (_, n) => `"k${n}":1`).join(',')},"keys":[]}`,
  )
  return {
    inputs: withTextBytes(
      fc.oneof({ weight: 200, arbitrary: texts }, { weight: 1, arbitrary: long }),
    ),
    take: (input) =>
      input.length % 2 === 0 ? parseJwtBundleJwks(input) : parseBundleDocument(td, text(input)),
  }
})

const cursor = parser('cursor', async () => {
  const key = Buffer.alloc(32, 7)
  const filter = { owner: 'team' }
  const texts = fc.oneof(
    fc.string({ maxLength: 60 }).map((id) => sealCursor(key, filter, id)),
    fc.string({ maxLength: 60 }).map((id) => sealCursor(key, {}, id)),
    fc.constantFrom('', 'A'.repeat(2773), 'A'.repeat(2774), 'A'.repeat(1_000_000)),
  )
  return { inputs: withTextBytes(texts), take: (input) => openCursor(key, filter, text(input)) }
})

const feed = parser('feed', feedParser)

const policy = parser('policy', policyParser)
const requestPath = parser('request-path', requestPathParser)
const proxiedRequest = parser('proxied-request', proxiedRequestParser)

export const parsers: readonly Target[] = [
  ...[spiffeId, token, foreignToken, csr, certificate, pem, bundle, cursor, feed, policy],
  ...[requestPath, proxiedRequest],
]
