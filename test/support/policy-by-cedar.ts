import {
  preparsePolicySet,
  preparseSchema,
  statefulIsAuthorized,
} from '@cedar-policy/cedar-wasm/nodejs'
import { cedarQuestion, wholeRequest } from '../../src/policy/cedar-request.ts'
import type { PolicySet } from '../../src/policy/policy-set.ts'
import type { Decision, PolicyQuestion } from '../../src/policy/question.ts'
import { cedarSchema } from '../../src/policy/schema.ts'

const name = 'by-cedar'
preparseSchema(name, cedarSchema)

/** Cedar with every policy of a set as it was written, the schema, and the whole of each question. */
export function decideByCedar(
  set: PolicySet,
): (asked: PolicyQuestion, at: Date) => Omit<Decision, 'cached'> {
  const staticPolicies = Object.fromEntries([...set].map(([id, { text }]) => [id, text]))
  if (preparsePolicySet(name, { staticPolicies }).type !== 'success') throw new Error('no policies')
  return (asked, at) => {
    const answer = statefulIsAuthorized({
      ...wholeRequest(cedarQuestion(asked, at)),
      preparsedSchemaName: name,
      preparsedPolicySetId: name,
      validateRequest: true,
    })
    if (answer.type === 'failure') throw new Error(answer.errors[0]?.message)
    const { decision, diagnostics } = answer.response
    const failed = diagnostics.errors.map(({ policyId }) => policyId).sort()
    if (failed.length > 0) return { allowed: false, reason: 'policy-error', policies: failed }
    const policies = [...diagnostics.reason].sort()
    const denied = policies.length > 0 ? 'policy-forbids' : 'policy-none'
    return decision === 'allow'
      ? { allowed: true, reason: 'policy-permits', policies }
      : { allowed: false, reason: denied, policies }
  }
}
