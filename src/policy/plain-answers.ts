import type { AuthorizationAnswer } from '@cedar-policy/cedar-wasm/nodejs'
import type { CedarQuestion } from './cedar-request.ts'
import { NotPlain } from './plain.ts'
import type { Policy } from './policy.ts'

/** Of more, a slice would have to keep too many; what Cedar says of them is remembered for longer than it takes. */
const maxPolicies = 32

/** What Cedar would answer by these policies; undefined: Cedar has to be asked. */
export function plainAnswers(
  policies: readonly Policy[],
): (question: CedarQuestion) => AuthorizationAnswer | undefined {
  if (policies.length > maxPolicies || policies.some(({ applies }) => applies === undefined)) {
    return () => undefined
  }
  const ofEffect = (effect: Policy['effect']) => policies.filter((one) => one.effect === effect)
  const [permits, forbids] = [ofEffect('permit'), ofEffect('forbid')]
  return (question) => {
    try {
      const permitting = thatApply(permits, question)
      const forbidding = thatApply(forbids, question)
      const isAllowed = permitting.length > 0 && forbidding.length === 0
      return answer(isAllowed ? 'allow' : 'deny', isAllowed ? permitting : forbidding)
    } catch (error) {
      if (error instanceof NotPlain) return undefined
      throw error
    }
  }
}

function thatApply(policies: readonly Policy[], question: CedarQuestion): string[] {
  return policies.filter(({ applies }) => applies?.(question)).map(({ id }) => id)
}

function answer(decision: 'allow' | 'deny', reason: string[]): AuthorizationAnswer {
  const response = { decision, diagnostics: { reason, errors: [] } }
  return { type: 'success', response, warnings: [] }
}
