import type { AuthorizationAnswer } from '@cedar-policy/cedar-wasm/nodejs'
import { Recent } from '../runtime/recent.ts'
import { type CedarQuestion, cedarQuestion } from './cedar-request.ts'
import { createLastDecisions } from './last-decisions.ts'
import type { PolicySet } from './policy-set.ts'
import type { Decision, PolicyQuestion } from './question.ts'
import { createPolicySlices, type PolicyGroup } from './slices.ts'

/** Decides by the policies that were loaded last; before, by none. */
export interface PolicyEngine {
  /** The whole set, the product's own policies among them. */
  load(policies: PolicySet): void
  /** Never throws: what cannot be decided is denied. */
  decide(question: PolicyQuestion, now: Date): Decision
}

const maxRemembered = 8192
const maxKeyLength = 4096

/** Half a surrogate pair, as JSON spells it: Cedar throws at each, and after some 1,500 at everything. */
const halfPair = /(?<!\\)(?:\\\\)*\\ud[89a-f]/

/**
 * Each policy is so or not by what it looks at alone, and a decision is what all of them come to. So what a group of
 * policies says is remembered under all that they look at, until other policies are loaded, and Cedar is asked only the
 * groups that can tell this question from those before it: whatever they cannot tell apart, be it two workloads or two
 * minutes, has one answer between them.
 */
export function createPolicyEngine(): PolicyEngine {
  const slices = createPolicySlices()
  let remembered = new Recent<string, Decision>(maxRemembered)
  let last = createLastDecisions()
  const askGroup = (group: PolicyGroup, asked: CedarQuestion): Decision => {
    // What is remembered under, and no more than that, is what Cedar is told.
    const request = group.project(asked)
    const key = `${group.key} ${JSON.stringify(request)}`
    const found = remembered.get(key)
    if (found !== undefined) return found
    if (halfPair.test(key)) return failed([])
    const decision = decisionOf(group.evaluate(request))
    if (key.length <= maxKeyLength) remembered.set(key, { ...decision, cached: true })
    return decision
  }
  return {
    load(policies) {
      remembered = new Recent(maxRemembered)
      last = createLastDecisions()
      slices.load(policies)
    },
    decide(question, now) {
      const found = last.find(question, now)
      if (found !== undefined) return found
      try {
        const asked = cedarQuestion(question, now)
        const decision = together(slices.of(asked).map((group) => askGroup(group, asked)))
        last.note(question, now, { ...decision, cached: true })
        return decision
      } catch {
        return failed([])
      }
    },
  }
}

/** From what counts least to what counts most: one that cannot be evaluated denies, and one that forbids outweighs all that permit. */
const weights = ['policy-none', 'policy-permits', 'policy-forbids', 'policy-error'] as const

/** What the policies of all groups come to, as Cedar would say of them at once. */
function together(decisions: readonly Decision[]): Decision {
  const [only] = decisions
  if (only !== undefined && decisions.length === 1) return only
  const reason =
    weights.findLast((weight) => decisions.some((one) => one.reason === weight)) ?? 'policy-none'
  const deciding = decisions.filter((one) => one.reason === reason)
  return {
    allowed: reason === 'policy-permits',
    reason,
    policies: deciding.flatMap(({ policies }) => policies).sort(),
    ...(only !== undefined && decisions.every(({ cached }) => cached) && { cached: true }),
  }
}

function decisionOf(answer: AuthorizationAnswer): Decision {
  if (answer.type === 'failure') return failed([])
  const { decision, diagnostics } = answer.response
  // Cedar leaves out a policy that fails: of one that forbids nothing would be left but the permission.
  if (diagnostics.errors.length > 0) {
    return failed(diagnostics.errors.map(({ policyId }) => policyId).sort())
  }
  const policies = [...diagnostics.reason].sort()
  if (decision === 'allow') return { allowed: true, reason: 'policy-permits', policies }
  return {
    allowed: false,
    reason: policies.length > 0 ? 'policy-forbids' : 'policy-none',
    policies,
  }
}

function failed(policies: readonly string[]): Decision {
  return { allowed: false, reason: 'policy-error', policies }
}
