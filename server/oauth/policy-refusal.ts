import { CountersignError } from '../../src/errors.ts'
import type { Decision } from '../../src/policy/question.ts'

/** `forbidden`, and which policies said so: for the record, not for the client. */
export class PolicyRefusal extends CountersignError {
  readonly policies: readonly string[]
  /** Of the policies that were in force. */
  readonly revision: string

  constructor({ reason, policies }: Decision, revision: string) {
    super('forbidden', 'the policy does not let this client have such a token', { reason })
    this.policies = policies
    this.revision = revision
  }
}
