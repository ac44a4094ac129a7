import { CountersignError } from '../../src/errors.ts'
import type { Decision } from '../../src/policy/question.ts'

/** What of a request the policies mind. */
export type Minded = 'scope' | 'target' | 'revocation'

const messages: Readonly<Record<Minded, string>> = {
  scope: 'the policy does not let this client have all of these scopes',
  target: 'the policy does not let this client have such a token',
  revocation: 'the policy does not let this client end this token',
}

/** `forbidden`, and which policies said so: for the record, not for the client. */
export class PolicyRefusal extends CountersignError {
  readonly minded: Minded
  readonly policies: readonly string[]
  /** Of the policies that were in force. */
  readonly revision: string

  constructor(minded: Minded, { reason, policies }: Decision, revision: string) {
    super('forbidden', messages[minded], { reason })
    this.minded = minded
    this.policies = policies
    this.revision = revision
  }
}
