import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import type { Verdict } from './go-verdicts.ts'

/** One input and what both sides made of it. */
export interface Seen<Input> {
  readonly input: Input
  readonly ours: Verdict
  readonly theirs: Verdict
}

/** A difference that is meant to be. docs/parsers.md has a line for each. */
export interface Difference<Input> {
  readonly what: string
  /** The rule that decides it: its number in docs/conformance.md, or an RFC's section. */
  readonly rule: string
  isSeenIn(seen: Seen<Input>): boolean
}

interface Comparison<Recipe, Input> {
  readonly of: string
  readonly recipes: fc.Arbitrary<Recipe>
  /** What is shown to both. */
  make(recipe: Recipe): Promise<Input>
  readonly count: number
  readonly seed: number
  ours(input: Input): Promise<Verdict>
  theirs(input: Input): Promise<Verdict>
  readonly listed: readonly Difference<Input>[]
}

/** How often each outcome was seen; `listed` by the difference's name. */
export interface Tally {
  readonly accepted: number
  readonly refused: number
  readonly listed: Readonly<Record<string, number>>
}

/** Throws, with the smallest input that shows it, where the sides differ in a way that is not listed. */
export async function compare<Recipe, Input>(
  comparison: Comparison<Recipe, Input>,
): Promise<Tally> {
  const { of, recipes, count, seed, listed } = comparison
  const tally = { accepted: 0, refused: 0 }
  const times = Object.fromEntries(listed.map(({ what }) => [what, 0]))
  const property = fc.asyncProperty(recipes, async (recipe) => {
    const input = await comparison.make(recipe)
    const seen = {
      input,
      ours: await comparison.ours(input),
      theirs: await comparison.theirs(input),
    }
    if (isSame(seen.ours, seen.theirs)) {
      tally['accepted' in seen.ours ? 'accepted' : 'refused']++
      return
    }
    const difference = listed.find((one) => one.isSeenIn(seen))
    if (difference === undefined) throw new Error(`ours and go-spiffe differ: ${shown(seen)}`)
    times[difference.what] = (times[difference.what] ?? 0) + 1
  })
  await fc.assert(property, { numRuns: count, seed })
  const share = (n: number): string => `${Math.round((100 * n) / count)} %`
  const differing = count - tally.accepted - tally.refused
  process.stderr.write(
    `interop: ${of}: ${count} inputs, seed ${seed}: both accept ${share(tally.accepted)}, ` +
      `both refuse ${share(tally.refused)}, listed differences ${share(differing)}\n`,
  )
  return { ...tally, listed: times }
}

function isSame(a: Verdict, b: Verdict): boolean {
  if ('accepted' in a && 'accepted' in b) return isDeepStrictEqual(a.accepted, b.accepted)
  return 'refused' in a && 'refused' in b
}

function shown(seen: Seen<unknown>): string {
  return JSON.stringify(seen, (_, value) => {
    if (typeof value === 'bigint') return String(value)
    return typeof value === 'string' && value.length > 4000 ? `${value.slice(0, 4000)}…` : value
  })
}

/** Refused by ours for one of these reasons, where go-spiffe accepts. */
export function refusedHere({ ours, theirs }: Seen<unknown>, ...reasons: string[]): boolean {
  return 'refused' in ours && 'accepted' in theirs && reasons.includes(ours.refused)
}

/** Refused by go-spiffe in words that hold `words`, where ours accepts. */
export function refusedThere({ ours, theirs }: Seen<unknown>, words: string): boolean {
  return 'accepted' in ours && 'refused' in theirs && theirs.message.includes(words)
}
