import type { AuthorizationAnswer } from '@cedar-policy/cedar-wasm/nodejs'
import { Recent } from '../runtime/recent.ts'
import { cedarQuestion } from './cedar-request.ts'
import { createLastDecisions } from './last-decisions.ts'
import type { PolicySet } from './policy-set.ts'
import type { Decision, PolicyQuestion } from './question.ts'
import { createPolicySlices } from './slices.ts'

/** Decides by the policies that were loaded last; before, by none. */
export interface PolicyEngine {
  /** The whole set, the product's own policies among them. */
  load(policies: PolicySet): void
  /** Never throws: what cannot be decided is denied. */
  decide(question: PolicyQuestion, now: Date): Decision
}

const maxDecisions = 8192
const maxKeyLength = 4096

/**
 * A decision is remembered under all that its policies look at, until other policies are loaded: whatever they cannot
 * tell apart, be it two workloads or two minutes, has one between them.
 */
export function createPolicyEngine(): PolicyEngine {
  const slices = createPolicySlices()
  let decisions = new Recent<string, Decision>(maxDecisions)
  let last = createLastDecisions()
  const decide = (question: PolicyQuestion, now: Date): Decision => {
    const asked = cedarQuestion(question, now)
    const slice = slices.of(asked)
    // What is remembered under, and no more than that, is what Cedar is told.
    const request = slice.project(asked)
    const key = `${slice.key} ${JSON.stringify(request)}`
    const found = decisions.get(key)
    if (found !== undefined) return found
    const decision = decisionOf(slice.evaluate(request))
    if (key.length <= maxKeyLength) decisions.set(key, { ...decision, cached: true })
    return decision
  }
  return {
    load(policies) {
      decisions = new Recent(maxDecisions)
      last = createLastDecisions()
      slices.load(policies)
    },
    decide(question, now) {
      const found = last.find(question, now)
      if (found !== undefined) return found
      try {
        const decision = decide(question, now)
        last.note(question, now, { ...decision, cached: true })
        return decision
      } catch {
        // Such as half a surrogate pair, which Cedar cannot be told of.
        return failed([])
      }
    },
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
