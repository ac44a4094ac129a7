import { randomUUID } from 'node:crypto'
import {
  preparsePolicySet,
  preparseSchema,
  statefulIsAuthorized,
} from '@cedar-policy/cedar-wasm/nodejs'
import { CountersignError } from '../errors.ts'
import { cedarRequest } from './cedar-request.ts'
import type { PolicySet } from './policy-set.ts'
import type { Decision, PolicyQuestion } from './question.ts'
import { cedarSchema } from './schema.ts'

/** Decides by the policies that were loaded last; before, by none. */
export interface PolicyEngine {
  /** The whole set, the product's own policies among them. */
  load(policies: PolicySet): void
  /** Never throws: what cannot be decided is denied. */
  decide(question: PolicyQuestion, now: Date): Decision
}

export function createPolicyEngine(): PolicyEngine {
  // Cedar keeps what was parsed by name, for the whole process.
  const name = randomUUID()
  checkParsed(preparseSchema(name, cedarSchema))
  checkParsed(preparsePolicySet(name, {}))
  return {
    load(policies) {
      checkParsed(preparsePolicySet(name, { staticPolicies: Object.fromEntries(policies) }))
    },
    decide(question, now) {
      try {
        return evaluate(name, question, now)
      } catch {
        // Such as half a surrogate pair, which Cedar cannot be told of.
        return failed([])
      }
    },
  }
}

function evaluate(name: string, question: PolicyQuestion, now: Date): Decision {
  const answer = statefulIsAuthorized({
    ...cedarRequest(question, now),
    preparsedSchemaName: name,
    preparsedPolicySetId: name,
    validateRequest: true,
  })
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

function checkParsed(answer: { readonly type: 'success' | 'failure' }): void {
  if (answer.type === 'success') return
  throw new CountersignError('internal', 'what was checked cannot be loaded', {
    reason: 'policy-load',
  })
}
