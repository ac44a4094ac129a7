import { createHash } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import type { JwtAuthority, X509Authority } from '../../../src/bundle/bundle.ts'
import { parseBundleDocument, parseJwtBundleJwks } from '../../../src/bundle/document.ts'
import { td } from '../../spec/jwt-svid/tokens.ts'
import { type TextEdit, textEdits, withTextEdits } from '../../support/text-edits.ts'
import {
  type Element,
  elements,
  KEY_ID,
  KEY_KIND,
  type Kind,
  NO_CA,
  NO_PARAMETERS,
  ONE_SPELLING,
  ONLY_FIRST,
  OTHER_MEMBERS,
  OTHER_USE,
  SAME_ID,
} from './bundle-elements.ts'
import { type Difference, refusedHere, type Seen } from './comparison.ts'
import type { Question, Verdict } from './go-verdicts.ts'

type Facet = 'certificates' | 'keys' | 'sequence' | 'hint'

/** A document, and the part of its content that is compared. */
export interface BundleRecipe {
  readonly kind: Kind
  readonly facet: Facet
  readonly elements: readonly Element[]
  /** The document's text with an @ where its elements come. */
  readonly envelope: string
  readonly edits: readonly TextEdit[]
}

const optional = (values: readonly string[]): fc.Arbitrary<string | undefined> =>
  fc.oneof(
    { weight: 3, arbitrary: fc.constant(undefined) },
    { weight: 3, arbitrary: fc.nat({ max: 2_592_000 }).map(String) },
    { weight: 1, arbitrary: fc.constantFrom(...values) },
  )
const sequence = optional([
  ...['0', '9007199254740993', '18446744073709551615', '18446744073709551616', '-1', '1.5', '1e3'],
  ...['"1"', 'null', 'true', '[]', '01', '1.0', '-0'],
])
const hint = optional([
  ...['0', '-1', '1.5', '"60"', 'null', '[]', '2592001', '9223372036854775807'],
  ...['9223372036854775808', '1e3'],
])
const further = fc.oneof(
  { weight: 12, arbitrary: fc.constant<string[]>([]) },
  {
    weight: 1,
    arbitrary: fc
      .constantFrom(
        ...['"x":1', '"keys":[]', '"Keys":[]', '"SPIFFE_SEQUENCE":7', '"__proto__":{}'],
        ...['"spiffe_sequence":1', `"x":${'['.repeat(40)}${']'.repeat(40)}`],
      )
      .map((one) => [one]),
  },
)
const pieces = [...'{}[]":, \n0159.-\\=', 'null', '""', 'ä', '\u0000', '"keys":[],']

const envelope = fc
  .tuple(
    fc.oneof(
      { weight: 20, arbitrary: fc.constant(['"keys":[@]']) },
      {
        weight: 1,
        arbitrary: fc.constantFrom(...['{}', 'null', '""', '5']).map((one) => [`"keys":${one}`]),
      },
      { weight: 1, arbitrary: fc.constant<string[]>([]) },
    ),
    sequence.map((value) => (value === undefined ? [] : [`"spiffe_sequence":${value}`])),
    hint.map((value) => (value === undefined ? [] : [`"spiffe_refresh_hint":${value}`])),
    further,
  )
  .map((parts) => `{${parts.flat().join(',')}}`)

const compared = fc.oneof(
  fc.record({
    kind: fc.constant<Kind>('bundle'),
    facet: fc.constantFrom<Facet[]>('certificates', 'certificates', 'keys', 'sequence', 'hint'),
  }),
  fc.record({ kind: fc.constantFrom<Kind[]>('bundle', 'jwks'), facet: fc.constant<Facet>('keys') }),
)
const document = fc.record({
  elements,
  envelope,
  edits: fc.oneof(
    { weight: 5, arbitrary: fc.constant<TextEdit[]>([]) },
    { weight: 1, arbitrary: textEdits(pieces) },
  ),
})

export const bundleRecipes: fc.Arbitrary<BundleRecipe> = fc
  .tuple(compared, document)
  .map(([what, how]) => ({ ...what, ...how }))

export interface ShownBundle {
  readonly recipe: BundleRecipe
  readonly text: string
}

export function makeBundle(recipe: BundleRecipe): ShownBundle {
  const list = recipe.elements.map(({ members }) => JSON.stringify(members)).join(',')
  return { recipe, text: withTextEdits(recipe.envelope, recipe.edits).replace('@', () => list) }
}

type FacetContent = string | number | readonly string[]

export function readBundle({ recipe: { kind, facet }, text }: ShownBundle): FacetContent {
  if (kind === 'jwks') {
    return facetOf(facet, [], parseJwtBundleJwks(Buffer.from(text)), 0n, 0)
  }
  const {
    x509Authorities,
    jwtAuthorities,
    sequence: number,
    refreshHintSeconds,
  } = parseBundleDocument(td, text)
  return facetOf(facet, x509Authorities, jwtAuthorities, number, refreshHintSeconds)
}

function facetOf(
  facet: Facet,
  x509Authorities: readonly X509Authority[],
  jwtAuthorities: readonly JwtAuthority[],
  sequenceNumber: bigint,
  hintSeconds: number,
): FacetContent {
  switch (facet) {
    case 'certificates':
      return digests(x509Authorities.map(({ certificate }) => certificate))
    case 'keys':
      return digests(
        jwtAuthorities.map(({ keyId, publicKey }) =>
          Buffer.concat([Buffer.from(`${keyId}\n`), publicKey]),
        ),
      )
    case 'sequence':
      return String(sequenceNumber)
    case 'hint':
      return hintSeconds
  }
}

function digests(items: readonly Buffer[]): readonly string[] {
  const all = items.map((item) => createHash('sha256').update(item).digest('hex').slice(0, 16))
  return [...new Set(all)].sort()
}

/** What `go/cmd/verdicts` says of a document. */
interface TheirContent {
  readonly x509: readonly string[]
  readonly jwt: readonly string[]
  readonly sequence: string
  readonly hint: number
  readonly oneByOne: boolean
}

/** Its content, or, where the whole was refused, that of its parts beside the refusal. */
export type TheirVerdict = Verdict & { readonly parts?: FacetContent }

export async function askForBundle(
  { recipe: { kind, facet }, text }: ShownBundle,
  ask: (question: Question) => Promise<Verdict>,
): Promise<TheirVerdict> {
  const answer = await ask({ kind, text })
  if ('refused' in answer) return answer
  const content = answer.accepted as TheirContent
  const names = { certificates: 'x509', keys: 'jwt', sequence: 'sequence', hint: 'hint' } as const
  const accepted = content[names[facet]]
  return content.oneByOne
    ? { refused: 'go-spiffe', message: 'the whole document', parts: accepted }
    : { accepted }
}

type SeenBundle = Seen<ShownBundle>

function valueThere({ theirs }: SeenBundle): FacetContent | undefined {
  return 'accepted' in theirs ? (theirs.accepted as FacetContent) : (theirs as TheirVerdict).parts
}

function isEdited({ input: { recipe } }: SeenBundle): boolean {
  return recipe.elements.some((one) => one.isEdited === true)
}

/** Both read the document, and the sets that they took differ in one direction alone. */
function isTaken(by: 'us' | 'them', seen: SeenBundle): boolean {
  const theirs = valueThere(seen)
  if (!('accepted' in seen.ours) || !Array.isArray(seen.ours.accepted) || !Array.isArray(theirs)) {
    return false
  }
  const [more, less]: [readonly unknown[], readonly unknown[]] =
    by === 'us' ? [seen.ours.accepted, theirs] : [theirs, seen.ours.accepted]
  return less.every((one) => more.includes(one))
}

const elementDifference = (
  what: string,
  rule: string,
  takenBy: 'us' | 'them',
  alsoWhereEdited = false,
): Difference<ShownBundle> => ({
  what,
  rule,
  isSeenIn: (seen) => {
    const { elements: all, kind } = seen.input.recipe
    const isShown = all.some((one) => one.shows?.what === what && one.shows.in.includes(kind))
    return isTaken(takenBy, seen) && (isShown || (alsoWhereEdited && isEdited(seen)))
  },
})

const MAX_HINT = 2_592_000

export const bundleDifferences: readonly Difference<ShownBundle>[] = [
  {
    what: 'an element or a hint that cannot be read takes nothing from the others',
    rule: 'TDB-10, X509-34',
    isSeenIn: (seen) =>
      'accepted' in seen.ours &&
      'refused' in seen.theirs &&
      isDeepStrictEqual(seen.ours.accepted, valueThere(seen)),
  },
  elementDifference(ONLY_FIRST, 'X509-35', 'us'),
  elementDifference(NO_PARAMETERS, 'X509-33', 'us', true),
  elementDifference(OTHER_MEMBERS, 'TDB-03', 'us'),
  elementDifference(SAME_ID, 'RFC 7517 §4.5', 'us'),
  elementDifference(NO_CA, 'X509-31', 'them'),
  elementDifference(KEY_KIND, 'JWT-05, JWT-06', 'them'),
  elementDifference(KEY_ID, 'T12', 'them'),
  elementDifference(OTHER_USE, 'JWT-28', 'them'),
  elementDifference(ONE_SPELLING, 'RFC 4648 §3.5, X.690 §10', 'them', true),
  {
    what: 'a hint is a whole number of seconds from 1 to 30 days',
    rule: 'TDB-08',
    isSeenIn: (seen) =>
      seen.input.recipe.facet === 'hint' &&
      'accepted' in seen.ours &&
      typeof seen.ours.accepted === 'number' &&
      seen.ours.accepted >= 0 &&
      seen.ours.accepted <= MAX_HINT,
  },
  {
    what: 'a JWK Set has an array of keys, and null is none',
    rule: 'RFC 7517 §5.1',
    isSeenIn: (seen) =>
      seen.input.recipe.kind === 'jwks' && refusedHere(seen, 'bundle-keys-missing'),
  },
  {
    what: 'a sequence of null is no number',
    rule: 'TDB-05',
    isSeenIn: (seen) =>
      refusedHere(seen, 'bundle-sequence') && /"spiffe_sequence":\s*null/.test(seen.input.text),
  },
  {
    what: 'the names of members are told apart by case',
    rule: 'RFC 8259 §4',
    isSeenIn: (seen) => /"(?:Keys|SPIFFE_SEQUENCE)":/.test(seen.input.text),
  },
  {
    what: 'a document names no member twice, has no member __proto__ and is nested 32 deep at most',
    rule: 'RFC 8259 §4',
    isSeenIn: (seen) => refusedHere(seen, 'bundle-malformed'),
  },
]
