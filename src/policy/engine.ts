import type { AuthorizationAnswer } from '@cedar-policy/cedar-wasm/nodejs'
import { cedarRequest } from './cedar-request.ts'
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
 * A decision is remembered under all that Cedar was told, entry, labels and minute among it, until other policies are
 * loaded: an entry that was changed is another question.
 */
export function createPolicyEngine(): PolicyEngine {
  const slices = createPolicySlices()
  const decisions = new Map<string, Decision>()
  return {
    load(policies) {
      decisions.clear()
      slices.load(policies)
    },
    decide(question, now) {
      try {
        const request = cedarRequest(question, now)
        const key = JSON.stringify(request)
        const found = decisions.get(key)
        const decision = found ?? decisionOf(slices.evaluate(request))
        // Taken out, and put back as the newest.
        if (found !== undefined) decisions.delete(key)
        if (key.length <= maxKeyLength) decisions.set(key, { ...decision, cached: true })
        if (decisions.size > maxDecisions) decisions.delete(decisions.keys().next().value as string)
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
