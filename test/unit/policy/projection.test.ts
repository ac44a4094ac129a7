import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createPolicyEngine } from '../../../src/policy/engine.ts'
import { type Policy, readPolicy } from '../../../src/policy/policy.ts'
import { decideByCedar } from '../../support/policy-by-cedar.ts'
import { policyQuestions, policyTexts, specialConditions } from '../../support/policy-texts.ts'

function setOf(texts: readonly string[]): ReadonlyMap<string, Policy> {
  return new Map(
    texts.map((text, n) => {
      const read = readPolicy(`@id("p${n}") ${text}`, 'test')
      if (read === undefined) throw new Error(`not a policy: ${text}`)
      return [read.id, read]
    }),
  )
}

/** Decides each question by these policies in both ways. */
function compare(texts: readonly string[]): void {
  const set = setOf(texts)
  engine.load(set)
  const byCedar = decideByCedar(set)
  for (const [asked, at] of policyQuestions) {
    const { allowed, reason, policies } = engine.decide(asked, at)
    expect({ asked, at, allowed, reason, policies }).toEqual({ asked, at, ...byCedar(asked, at) })
  }
}

const engine = createPolicyEngine()

test('what is decided by what policies look at is what Cedar decides by the whole question', () => {
  const texts = fc.array(policyTexts, { minLength: 1, maxLength: 4 })
  fc.assert(fc.property(texts, compare), { numRuns: 40 })
})

test.for(specialConditions)('and so it is with %s', (body) =>
  compare([`permit (principal, action, resource) when { ${body} };`]),
)
