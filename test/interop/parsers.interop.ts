import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import {
  askForBundle,
  bundleDifferences,
  bundleRecipes,
  makeBundle,
  readBundle,
} from './parsers/bundles.ts'
import {
  chainDifferences,
  chainQuestion,
  chainRecipes,
  makeChain,
  newChainWorld,
  readChain,
} from './parsers/chains.ts'
import { compare, type Tally } from './parsers/comparison.ts'
import { type GoVerdicts, startGoVerdicts, verdictOf } from './parsers/go-verdicts.ts'
import { idDifferences, idInputs, idQuestion, readId } from './parsers/ids.ts'
import {
  makeToken,
  newTokenWorld,
  readToken,
  tokenDifferences,
  tokenQuestion,
  tokenRecipes,
} from './parsers/tokens.ts'

// The same inputs every time, so that a change of the code is all that can turn this red; SEED=n tries others.
const seed = Number(process.env['SEED'] ?? 20_261_126)
const { go } = inject('probes')
let goVerdicts: GoVerdicts

beforeAll(async () => {
  if (go !== undefined) goVerdicts = await startGoVerdicts()
})

afterAll(() => {
  if (go !== undefined) goVerdicts.close()
})

/** Both verdicts come often, and no listed difference is there in vain. */
function expectAllSeen(tally: Tally, count: number): void {
  expect(tally.accepted).toBeGreaterThan(count / 5)
  expect(tally.refused).toBeGreaterThan(count / 5)
  expect(Object.entries(tally.listed).filter(([, times]) => times === 0)).toEqual([])
}

describe.skipIf(go === undefined)('ours and go-spiffe read the same in 100,000 inputs', () => {
  test('40,000 SPIFFE IDs, trust domain names and paths', async () => {
    const count = 40_000
    const tally = await compare({
      of: 'IDs',
      recipes: idInputs,
      make: async (input) => input,
      count,
      seed,
      ours: (input) => verdictOf(() => readId(input)),
      theirs: (input) => goVerdicts.ask(idQuestion(input)),
      listed: idDifferences,
    })
    expectAllSeen(tally, count)
  })

  test('25,000 chains of certificates, parsed as an X509-SVID or verified', async () => {
    const count = 25_000
    const world = await newChainWorld()
    await goVerdicts.ask({ kind: 'trust', text: world.document })
    const tally = await compare({
      of: 'chains',
      recipes: chainRecipes,
      make: (recipe) => makeChain(recipe, world),
      count,
      seed,
      ours: (input) => verdictOf(() => readChain(input, world)),
      theirs: (input) => goVerdicts.ask(chainQuestion(input)),
      listed: chainDifferences,
    })
    expectAllSeen(tally, count)
  })

  test('15,000 tokens, validated as a JWT-SVID', async () => {
    const count = 15_000
    const world = await newTokenWorld()
    await goVerdicts.ask({ kind: 'trust', text: world.document })
    const tally = await compare({
      of: 'tokens',
      recipes: tokenRecipes,
      make: async (recipe) => makeToken(recipe, world),
      count,
      seed,
      ours: (input) => verdictOf(() => readToken(input, world)),
      theirs: (input) => goVerdicts.ask(tokenQuestion(input)),
      listed: tokenDifferences,
    })
    expectAllSeen(tally, count)
  })

  test('20,000 bundles, as a SPIFFE bundle or a JWK Set', async () => {
    const count = 20_000
    const tally = await compare({
      of: 'bundles',
      recipes: bundleRecipes,
      make: async (recipe) => makeBundle(recipe),
      count,
      seed,
      ours: (input) => verdictOf(() => readBundle(input)),
      theirs: (input) => askForBundle(input, goVerdicts.ask),
      listed: bundleDifferences,
    })
    expectAllSeen(tally, count)
  })
})

test('docs/parsers.md lists each difference with its rule', () => {
  const page = readFileSync(new URL('../../docs/parsers.md', import.meta.url), 'utf8')
  for (const { what, rule } of [
    ...idDifferences,
    ...chainDifferences,
    ...tokenDifferences,
    ...bundleDifferences,
  ]) {
    expect(page).toContain(`| ${what} | ${rule} |`)
  }
})
