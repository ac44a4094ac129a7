import { createPublicKey, generateKeyPairSync } from 'node:crypto'
import fc from 'fast-check'
import { type PublicJwk, publicJwk } from '../../../src/jwt/jwk.ts'
import { spkiOf } from '../../../src/x509/key.ts'
import { newAuthority } from '../../spec/jwt-svid/tokens.ts'
import { textEdits, withTextEdits } from '../../support/text-edits.ts'
import { issued, type Made, root } from '../../support/x509-fixtures.ts'

/** Whether a document is read as a SPIFFE bundle or as a plain JWK Set. */
export type Kind = 'bundle' | 'jwks'

/** One element of `keys`. */
export interface Element {
  readonly members: unknown
  /** The listed difference that it shows, and in which kind of document. */
  readonly shows?: { readonly what: string; readonly in: readonly Kind[] }
  readonly isEdited?: boolean
}

const authority1 = await root('one')
const authority2 = await root('two')
const noAuthority = await issued('leaf', authority1, { uris: ['spiffe://example.org/web'] })
const jwkOfCertificate = (made: Made): PublicJwk => publicJwk(spkiOf(made.signer.publicKey))
const keys = [
  ...(await Promise.all(
    (['ec-p256', 'ec-p384', 'ec-p521', 'rsa-2048'] as const).map((kind) =>
      newAuthority(kind, kind),
    ),
  )),
].map(({ publicKey }) => publicJwk(publicKey))
const [ecKey = keys[0] as PublicJwk] = keys
const rsaKey = keys[3] as PublicJwk & { kty: 'RSA' }
const weakRsa = generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey.export({
  format: 'jwk',
})
const edKey = createPublicKey(generateKeyPairSync('ed25519').privateKey).export({ format: 'jwk' })
const ecX = ecKey.kty === 'EC' ? ecKey.x : ''

type Json = Readonly<Record<string, unknown>>
const x509 = (made: Made, more: Json = {}): Json => ({
  use: 'x509-svid',
  ...jwkOfCertificate(made),
  x5c: [made.der.toString('base64')],
  ...more,
})
const jwt = (key: Json, kid: unknown, more: Json = {}): Json => ({
  use: 'jwt-svid',
  kid,
  ...key,
  ...more,
})

const goodElements: readonly Element[] = [
  x509(authority1),
  x509(authority2),
  ...keys.map((key, at) => jwt({ ...key }, `key-${at}`)),
].map((members) => ({ members }))

export const ONE_SPELLING = 'base64 has one spelling, and DER too'
export const ONLY_FIRST = 'a second certificate of an element is ignored, and the element is not'
export const NO_PARAMETERS =
  'the key of an authority is that of its certificate, also where no other is named'
export const NO_CA = 'a certificate that is no authority’s is left out'
export const KEY_KIND = 'a key that cannot verify a JWT-SVID, or is weak, is left out'
export const KEY_ID = 'a key ID has at most 1024 characters'
export const OTHER_MEMBERS = 'members that say nothing here are not looked at'
export const SAME_ID = 'two keys of one key ID are both kept, and tried'
export const OTHER_USE = 'a key of another use is no JWT key, in a plain JWK Set too'

const der64 = authority1.der.toString('base64')
const shows = (what: string, ...elements: readonly Json[]): readonly Element[] =>
  elements.map((members) => ({ members, shows: { what, in: ['bundle', 'jwks'] } }))
const otherElements: readonly Element[] = [
  ...[
    x509(authority1, { x5c: [] }),
    x509(authority1, { x5c: undefined }),
    x509(authority1, { x5c: [authority1.der.toString('base64url')] }),
    x509(authority1, { x5c: ['AAAA'] }),
    x509(authority1, { x5c: der64 }),
    x509(authority1, { x5c: [5] }),
    x509(authority1, { ...jwkOfCertificate(authority2) }),
    x509(authority1, { kty: 'RSA' }),
    x509(authority1, { kty: 'LWE' }),
    ...[undefined, 'sig', 'X509-SVID', 'wit-svid', 5, null].map((use) => x509(authority1, { use })),
    ...[undefined, '', 5, null, 'a'.repeat(1024)].map((kid) => jwt({ ...ecKey }, kid)),
    jwt({ ...ecKey }, 'b', { use: undefined }),
    jwt({ ...ecKey, x: undefined }, 'c'),
    jwt({ ...ecKey, x: `${ecX}AA` }, 'c'),
    jwt({ ...ecKey, x: ecX.slice(1) }, 'c'),
    jwt({ ...ecKey, y: ecX }, 'c'),
    jwt({ ...ecKey, crv: 'P-384' }, 'c'),
    jwt({ ...ecKey, crv: 'secp256k1' }, 'c'),
    jwt({ ...ecKey, kty: 'ec' }, 'c'),
    jwt({ ...rsaKey, e: undefined }, 'd'),
    jwt({ kty: 'LWE', x: 'AAAA' }, 'h'),
    jwt({}, 'i'),
    ...[{}, [], null, 5, 'key'],
  ].map((members) => ({ members })),
  ...shows(ONE_SPELLING, x509(authority1, { x5c: [`${der64.slice(0, 64)}\n${der64.slice(64)}`] })),
  ...shows(ONLY_FIRST, x509(authority1, { x5c: [der64, authority2.der.toString('base64')] })),
  ...shows(NO_PARAMETERS, x509(authority1, { x: undefined, y: undefined, crv: undefined })),
  ...shows(NO_CA, x509(noAuthority)),
  ...shows(SAME_ID, jwt({ ...ecKey }, 'key-3')),
  ...shows(KEY_ID, jwt({ ...ecKey }, 'a'.repeat(1025))),
  ...shows(
    OTHER_MEMBERS,
    jwt({ ...ecKey, d: 'AAAA' }, 'c'),
    jwt({ ...ecKey, alg: 'ES256', key_ops: ['verify'], x5t: 'AAAA' }, 'c'),
  ),
  ...shows(
    KEY_KIND,
    jwt({ ...rsaKey, e: 'AQ' }, 'd'),
    jwt({ ...rsaKey, e: 'Aw' }, 'd'),
    jwt(weakRsa as Json, 'e'),
    jwt(edKey as Json, 'f'),
    jwt({ kty: 'oct', k: 'AAAA' }, 'g'),
  ),
  ...shows(ONE_SPELLING, jwt({ ...rsaKey, n: `AAAA${rsaKey.n}` }, 'd')),
  ...[
    x509(authority1, { kid: 'a' }),
    ...['sig', 'JWT-SVID', 'wit-svid', null].map((use) => jwt({ ...ecKey }, 'b', { use })),
  ].map((members): Element => ({ members, shows: { what: OTHER_USE, in: ['jwks'] } })),
]

/** A good element with one of its texts changed. */
const changedElement = fc
  .record({
    element: fc.constantFrom(...goodElements),
    at: fc.nat(),
    edits: textEdits([...'AZaz09-_+/=', '\n', '==']),
  })
  .map(({ element, at, edits }): Element => {
    const members = Object.entries(element.members as Json)
    const index = at % members.length
    const change = (value: unknown): unknown =>
      typeof value === 'string' ? withTextEdits(value, edits) : (value as unknown[]).map(change)
    const changed = members.map(([name, value], n): [string, unknown] =>
      n === index ? [name, change(value)] : [name, name === 'kid' ? `changed-${value}` : value],
    )
    return { members: Object.fromEntries(changed), isEdited: true }
  })

/** One odd element at most, so that no two differences cover for each other. */
export const elements: fc.Arbitrary<readonly Element[]> = fc
  .record({
    good: fc.array(fc.constantFrom(...goodElements), { maxLength: 3 }),
    odd: fc.oneof(
      { weight: 2, arbitrary: fc.constant<Element[]>([]) },
      {
        weight: 1,
        arbitrary: fc.oneof(fc.constantFrom(...otherElements), changedElement).map((one) => [one]),
      },
    ),
    at: fc.nat({ max: 3 }),
  })
  .map(({ good, odd, at }): readonly Element[] => good.toSpliced(at, 0, ...odd))
