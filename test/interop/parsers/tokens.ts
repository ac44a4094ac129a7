import fc from 'fast-check'
import type { BundleLookup } from '../../../src/bundle/bundle.ts'
import { writeBundleDocument } from '../../../src/bundle/document.ts'
import { verifyJwtSvid } from '../../../src/svid/jwt-svid.ts'
import {
  type Authority,
  bundleOf,
  encode,
  newAuthority,
  signAs,
  sourceOf,
  td,
  web,
} from '../../spec/jwt-svid/tokens.ts'
import { type TextEdit, textEdits, withTextEdits } from '../../support/text-edits.ts'
import { type Difference, refusedHere, refusedThere, type Seen } from './comparison.ts'
import type { Question } from './go-verdicts.ts'

/** A token before it is signed. Its parts are lists of member and JSON text, since they may be any text. */
export interface TokenRecipe {
  readonly header: Members
  readonly claims: Members
  readonly key: keyof typeof algorithms | 'foreign'
  /** In place of what the header says. */
  readonly signedAs: string
  readonly headerEdits: readonly TextEdit[]
  readonly claimsEdits: readonly TextEdit[]
  /** Of the finished token. */
  readonly tokenEdits: readonly TextEdit[]
}

type Members = readonly (readonly [string, string])[]

// The algorithms that fit each key.
const algorithms = {
  ec: ['ES256'],
  ec384: ['ES384'],
  ec521: ['ES512'],
  rsa: ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'],
} as const
const names = Object.values(algorithms).flat()

const json = (...values: readonly unknown[]): fc.Arbitrary<string> =>
  fc.constantFrom(...values.map((value) => JSON.stringify(value)))
/** Mostly the member as it should be; now and then one of the others, or none. */
const member = (
  name: string,
  good: fc.Arbitrary<string>,
  other: fc.Arbitrary<string>,
  oneIn = 20,
): fc.Arbitrary<Members> =>
  fc.oneof(
    { weight: oneIn, arbitrary: good.map((value): Members => [[name, value]]) },
    { weight: 1, arbitrary: other.map((value): Members => [[name, value]]) },
    { weight: 1, arbitrary: fc.constant<Members>([]) },
  )
const rarely = (members: fc.Arbitrary<Members>): fc.Arbitrary<Members> =>
  fc.oneof({ weight: 20, arbitrary: fc.constant<Members>([]) }, { weight: 1, arbitrary: members })

const nowSeconds = Math.floor(Date.now() / 1000)
const later = nowSeconds + 86_400
const instants = fc.constantFrom(
  ...[later, later + 0.5, nowSeconds - 86_400, 0, -1, null, true, [], {}].map((value) =>
    JSON.stringify(value),
  ),
  ...[
    `"${later}"`,
    '1e3',
    '1e999',
    '-0',
    '9007199254740993',
    '4.0e9',
    `${later}.0`,
    '1e18',
    '1e13',
  ],
)
const subjects = json(
  ...[`${web}/a`, 'spiffe://example.org', 'spiffe://other/web', 'spiffe://Example.org/web', ''],
  ...[`spiffe://example.org/${'a'.repeat(2048)}`, 'web', 5, null, [web], `${web}/`, `${web}/../b`],
)
const audiences = json(
  ...['me', ['you', 'me'], ['me', 'me'], [], '', 'you', ['you'], [5], ['me', 5], null, { me: 1 }],
  ...[['me', null], ['ME'], Array.from({ length: 65 }, () => 'me'), 'me ', true],
)

function headerFor(key: string, algorithm: string): fc.Arbitrary<Members> {
  return fc
    .tuple(
      member('alg', json(algorithm), json(...names, 'none', 'HS256', 'EdDSA', '', 5, null), 30),
      member('kid', json(key), json('ec', 'rsa', 'nobody', '', 5, null, ['ec']), 30),
      member('typ', json('JWT', 'JOSE'), json('jwt', 'at+jwt', '', 5, null)),
      rarely(
        fc.constantFrom<Members[]>(
          ...([['jku', '"https://mallory.example"']] as const).map((one): Members => [one]),
          [['crit', '["exp"]']],
          [['crit', '[]']],
          [['b64', 'false']],
          [['cty', '"JWT"']],
          [['x5c', '[]']],
          [['alg', '"ES256"']],
          [['__proto__', '{}']],
          [['jwk', '{}']],
          [['Alg', '"none"']],
        ),
      ),
    )
    .map((parts) => parts.flat())
}

const claims = fc
  .tuple(
    member('sub', json(web), subjects),
    member('aud', json(['me'], 'me'), audiences),
    member('exp', json(later), instants),
    rarely(member('nbf', json(nowSeconds), instants, 1)),
    member('iat', json(nowSeconds), instants, 30),
    rarely(member('iss', json('https://example.org'), json(5, null, []), 1)),
    rarely(member('jti', json('a'), json(5, null), 1)),
    rarely(
      fc.constantFrom<Members[]>(
        [['sub', JSON.stringify(web)]],
        [['__proto__', '{"aud":"me"}']],
        [['SUB', '"x"']],
        [['x', '{"a":1,"a":2}']],
        [['x', '"\\ud800"']],
        [['x', `${'['.repeat(40)}${']'.repeat(40)}`]],
        [['constructor', '{}']],
      ),
    ),
  )
  .map((parts) => parts.flat())

const seldomEdits = (alphabet: readonly string[], oneIn: number): fc.Arbitrary<TextEdit[]> =>
  fc.oneof(
    { weight: oneIn, arbitrary: fc.constant<TextEdit[]>([]) },
    { weight: 1, arbitrary: textEdits(alphabet) },
  )
const jsonPieces = [...'{}[]":, \t\n0159eE.-\\u', 'null', '""', '/**/', '\u0000', '\ufeff', 'ä']
const tokenPieces = [...'AZaz09-_=.+/ \n\r\t\0', '..', '==', 'ä']

export const tokenRecipes: fc.Arbitrary<TokenRecipe> = fc
  .constantFrom(...(['ec', 'ec', 'ec', 'ec', 'ec384', 'ec521', 'rsa', 'foreign'] as const))
  .chain((key) =>
    fc.constantFrom(...algorithms[key === 'foreign' ? 'ec' : key]).chain((algorithm) =>
      fc.record({
        header: headerFor(key === 'foreign' ? 'ec' : key, algorithm),
        claims,
        key: fc.constant(key),
        signedAs: fc.oneof(
          { weight: 20, arbitrary: fc.constant(algorithm) },
          { weight: 1, arbitrary: fc.constantFrom(...names) },
        ),
        headerEdits: seldomEdits(jsonPieces, 15),
        claimsEdits: seldomEdits(jsonPieces, 15),
        tokenEdits: seldomEdits(tokenPieces, 9),
      }),
    ),
  )

export interface TokenWorld {
  readonly authorities: Readonly<Record<TokenRecipe['key'], Authority>>
  readonly bundles: BundleLookup
  /** The bundle as a document. */
  readonly document: string
}

export async function newTokenWorld(): Promise<TokenWorld> {
  const authorities = {
    ec: await newAuthority('ec-p256', 'ec'),
    ec384: await newAuthority('ec-p384', 'ec384'),
    ec521: await newAuthority('ec-p521', 'ec521'),
    rsa: await newAuthority('rsa-2048', 'rsa'),
    foreign: await newAuthority('ec-p256', 'ec'),
  }
  const { foreign: _, ...ours } = authorities
  const bundle = bundleOf(td, Object.values(ours))
  return { authorities, bundles: sourceOf(bundle), document: writeBundleDocument(bundle) }
}

export interface ShownToken {
  readonly recipe: TokenRecipe
  readonly header: string
  readonly payload: string
  readonly token: string
}

export function makeToken(recipe: TokenRecipe, world: TokenWorld): ShownToken {
  const text = (members: Members): string =>
    `{${members.map(([name, value]) => `${JSON.stringify(name)}:${value}`).join(',')}}`
  const header = withTextEdits(text(recipe.header), recipe.headerEdits)
  const payload = withTextEdits(text(recipe.claims), recipe.claimsEdits)
  const signed = `${encode(header)}.${encode(payload)}`
  const { privateKey } = world.authorities[recipe.key]
  const fitting = privateKey.asymmetricKeyType === 'rsa' ? /^[RP]S/ : /^ES/
  const algorithm = fitting.test(recipe.signedAs) ? recipe.signedAs : 'ES256'
  const signature = signAs(algorithm, Buffer.from(signed), privateKey).toString('base64url')
  return {
    recipe,
    header,
    payload,
    token: withTextEdits(`${signed}.${signature}`, recipe.tokenEdits),
  }
}

export async function readToken({ token }: ShownToken, world: TokenWorld): Promise<unknown> {
  const svid = await verifyJwtSvid(token, {
    audience: 'me',
    bundles: world.bundles,
    now: new Date(),
  })
  return [svid.spiffeId, svid.audience, svid.expiresAt.getTime() / 1000]
}

export function tokenQuestion({ token }: ShownToken): Question {
  return { kind: 'token', text: token }
}

/** The claim that go-spiffe accepted, by its place in the answer. */
function acceptedThere(seen: Seen<ShownToken>, place: 0 | 1): unknown {
  return 'accepted' in seen.theirs ? (seen.theirs.accepted as readonly unknown[])[place] : undefined
}

export const tokenDifferences: readonly Difference<ShownToken>[] = [
  {
    what: 'a token needs no key ID',
    rule: 'JWT-07',
    isSeenIn: (seen) => refusedThere(seen, 'missing key id'),
  },
  {
    what: 'a header holds alg, kid and typ, and nothing else',
    rule: 'JWT-02',
    isSeenIn: (seen) => refusedHere(seen, 'token-header'),
  },
  {
    what: 'a typ of null is none of the two',
    rule: 'JWT-09',
    isSeenIn: (seen) => refusedHere(seen, 'token-type') && seen.input.header.includes('"typ":null'),
  },
  {
    what: 'when a token was issued is not judged',
    rule: 'JWT-18',
    isSeenIn: (seen) =>
      refusedThere(seen, 'NumericDate') || refusedThere(seen, 'issued in the future'),
  },
  {
    what: 'the claims iss and jti are not judged',
    rule: 'JWT-21, JWT-22',
    isSeenIn: (seen) => refusedThere(seen, 'into Go value of type string'),
  },
  {
    what: 'an expiry is a whole number of seconds that a date can hold',
    rule: 'JWT-30',
    isSeenIn: (seen) => refusedHere(seen, 'token-expiry'),
  },
  {
    what: 'a start of validity that is given is a number',
    rule: 'RFC 7519 §4.1.5',
    isSeenIn: (seen) =>
      refusedHere(seen, 'token-not-yet-valid') && seen.input.payload.includes('"nbf":null'),
  },
  {
    what: 'the subject is the ID of a workload, of at most 2048 bytes',
    rule: 'JWT-10, ID-18',
    isSeenIn: (seen) => {
      const subject = String(acceptedThere(seen, 0))
      return (
        refusedHere(seen, 'token-subject') &&
        (subject.length > 2048 || !subject.slice('spiffe://'.length).includes('/'))
      )
    },
  },
  {
    what: 'a token has at most 64 audiences',
    rule: 'T12',
    isSeenIn: (seen) => {
      const audience = acceptedThere(seen, 1)
      return refusedHere(seen, 'token-audience') && Array.isArray(audience) && audience.length > 64
    },
  },
  {
    what: 'JSON is nested 32 deep at most, and has no member __proto__',
    rule: 'T11, T12',
    isSeenIn: (seen) => {
      const text = seen.input.header + seen.input.payload
      return (
        refusedHere(seen, 'token-malformed') &&
        (text.includes('"__proto__"') || text.includes('['.repeat(32)))
      )
    },
  },
  {
    what: 'base64url has one spelling, without line breaks and with no bits left over',
    rule: 'RFC 7515 §2',
    isSeenIn: (seen) =>
      refusedHere(seen, 'token-malformed') && seen.input.recipe.tokenEdits.length > 0,
  },
]
