import { CountersignError } from '../../src/errors.ts'
import type { Decision } from '../../src/policy/question.ts'

/** `forbidden`, and which policies said so: for the record, not for the client. */
export class PolicyRefusal extends CountersignError {
  readonly policies: readonly string[]

  constructor({ reason, policies }: Decision) {
    super('forbidden', 'the policy does not let this client have such a token', { reason })
    this.policies = policies
  }
}
