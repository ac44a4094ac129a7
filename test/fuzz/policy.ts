import { policySetTextToParts } from '@cedar-policy/cedar-wasm/nodejs'
import fc from 'fast-check'
import { CountersignError } from '../../src/errors.ts'
import { createPolicyEngine } from '../../src/policy/engine.ts'
import { explain } from '../../src/policy/explain.ts'
import { readPolicy } from '../../src/policy/policy.ts'
import { type PolicyFile, type PolicySet, readPolicySet } from '../../src/policy/policy-set.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import { decideByCedar } from '../support/policy-by-cedar.ts'
import { policyQuestions, policyTexts } from '../support/policy-texts.ts'
import { editedText, textEdits, withTextEdits } from '../support/text-edits.ts'
import { withTextBytes } from './bytes.ts'

const sample = `@id("a") permit (principal is Workload, action in Action::"getToken", resource)
when { principal.owner == "x" && ["r"].containsAll(context.scopes) && context.ttl * 2 < 300 }
unless { if resource has env then resource.env like "p*" else !principal.hasTag("env") };
@id("b") forbid (principal, action == Action::"revoke", resource in Node::"spiffe://example.org/n") when { false || true };`

const nested = [
  ...['(', '[', '{a:', '!', '-', 'true && ', 'if true then ', '.a', ' + 1', 'when {', '"', '//'],
]
const signs = [
  ...';)]}\\\n\r\0@?',
  '\u2028',
  '\ud800',
  '"__proto__"',
  '::',
  '?principal',
  '\\u{61}',
]
const heavy = nested.flatMap((piece) => [piece, piece.repeat(200), piece.repeat(20_000)])

/** Seldom what stands before a policy is none of the usual. */
const oddity = fc.oneof(
  { weight: 30, arbitrary: fc.constant(undefined) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      ...['@id', '@id()', '@id("")', '@id("\\u{61}")', '@id("a\\n")', '@id("__proto__")', '@id(a)'],
      ...['@id("a") @id("b")', '@ID("a")', '@id("constructor")', '@id("countersign.x")', ''],
    ),
  },
)
const further = fc.oneof(
  { weight: 9, arbitrary: fc.constant('') },
  fc.constantFrom('@note', '@permit("x")', '@type("Workload")', '@when("") // a\n'),
)
const written = fc
  .array(fc.tuple(oddity, further, policyTexts), { minLength: 1, maxLength: 4 })
  .map((all) => all.map(([odd, more, text], n) => `${odd ?? `@id("p${n}")`} ${more} ${text}`))
  .map((all) => all.join('\n'))

/**
 * Policies of all shapes, also nested more than Cedar survives. What is read is decided as Cedar decides it by the whole
 * question, and whatever is read, decisions are made afterwards as before.
 */
export async function policyParser(): Promise<{
  inputs: fc.Arbitrary<Uint8Array>
  take(input: Uint8Array): Promise<void>
}> {
  const texts = fc.oneof(
    { weight: 4, arbitrary: written },
    { weight: 4, arbitrary: editedText(written, [...nested, ...signs]) },
    {
      weight: 1,
      arbitrary: fc
        .tuple(fc.constantFrom(sample, ''), textEdits([...heavy, ...signs]))
        .map(([text, edits]) => withTextEdits(text, edits)),
    },
  )
  const engine = createPolicyEngine()
  const all = await readPolicySet(
    [{ name: 'all.cedar', text: '@id("all") permit (principal, action, resource);' }],
    systemClock,
  )
  const now = new Date('2026-06-01T12:00:00Z')
  let asked = 0
  return {
    inputs: withTextBytes(texts),
    async take(input) {
      // So much is checked in one go.
      const text = Buffer.from(input.subarray(0, 64 << 10)).toString()
      const file = { name: 'a.cedar', text }
      const outcome = await readPolicySet([file], systemClock).catch((error: unknown) => error)
      // Whatever it was, policies are decided by as before.
      if (asked % 100 === 0) engine.load(all)
      const target = { kind: 'node', id: String(asked++) } as const
      const by = { operator: 'o' }
      if (!engine.decide({ action: 'revoke', by, target }, now).allowed) throw new Error('no more')
      const set = outcome instanceof CountersignError ? unchecked(file, outcome) : outcome
      if (set instanceof Map) await compare(set, input.length % parts)
      if (outcome instanceof Error) throw outcome
      await isReadAgain(outcome as PolicySet)
    },
  }
}

/** What the schema alone refuses: how it is decided must not lean on that. */
function unchecked(file: PolicyFile, { reason }: CountersignError): PolicySet | undefined {
  if (reason !== 'policy-schema') return undefined
  const parts = policySetTextToParts(file.text)
  const texts = parts.type === 'success' ? parts.policies : []
  return new Map(
    texts.flatMap((text) => {
      const policy = readPolicy(text, file.name)
      return policy === undefined ? [] : [[policy.id, policy]]
    }),
  )
}

const compared = createPolicyEngine()
/** Of the questions that are asked of one set of policies. */
const parts = 8

/** What is decided by what policies look at is what Cedar says; and where nobody permits, why can be told. */
async function compare(set: PolicySet, part: number): Promise<void> {
  compared.load(set)
  const byCedar = decideByCedar(set)
  const questions = policyQuestions.filter((_, n) => n % parts === part)
  for (const [question, at] of questions) {
    const { cached: _, ...ours } = compared.decide(question, at)
    const theirs = byCedar(question, at)
    if (JSON.stringify(ours) !== JSON.stringify(theirs)) {
      throw new Error(`${JSON.stringify({ question, at, ours, theirs })}`)
    }
  }
  const none = questions.find(([asked, at]) => byCedar(asked, at).reason === 'policy-none')
  if (none === undefined) return
  const { nearest } = await explain(set, compared.decide(...none), ...none, systemClock)
  if (nearest.some(({ missing }) => missing.length === 0)) throw new Error('nothing is missing')
}

/** The same policies from a file for each. */
async function isReadAgain(set: PolicySet): Promise<void> {
  const files = [...set.values()].map(({ id, text }) => ({ name: id, text }))
  const again = await readPolicySet(files, systemClock).catch((error: unknown) => {
    const why = error instanceof CountersignError ? error.message : String(error)
    throw new Error(`not read again: ${why}`)
  })
  for (const [id, { place: _, ...policy }] of set) {
    const { place: __, ...other } = again.get(id) ?? { place: '' }
    if (JSON.stringify(policy) !== JSON.stringify(other)) throw new Error(`${id} is another one`)
  }
}
