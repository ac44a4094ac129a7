import { ipOf, minuteOf } from './cedar-request.ts'
import type { AskingEntry, Decision, IssueQuestion, PolicyQuestion } from './question.ts'

/** What was decided of an entry last: found again, and at little cost, where nothing of the question is another. */
export interface LastDecisions {
  find(question: PolicyQuestion, now: Date): Decision | undefined
  note(question: PolicyQuestion, now: Date, decision: Decision): void
}

interface Decided {
  readonly question: IssueQuestion
  readonly minute: number
  readonly decision: Decision
}

/**
 * Of tokens for workloads that have nothing to show but themselves: nearly all questions, and the same ones over and over.
 * An entry and a resource are the same where they are the same object, since both are replaced whole; of each entry one
 * decision is kept, and no longer than the entry.
 */
export function createLastDecisions(): LastDecisions {
  const last = new WeakMap<AskingEntry, Decided>()
  return {
    find(question, now) {
      if (question.action !== 'issueToken') return undefined
      const decided = last.get(question.entry)
      return decided?.minute === minuteOf(now) && isSame(decided.question, question)
        ? decided.decision
        : undefined
    },
    note(question, now, decision) {
      if (question.action !== 'issueToken') return
      last.set(question.entry, { question, minute: minuteOf(now), decision })
    },
  }
}

/** Whether they differ in nothing that a policy may be told, their entry and the time aside. */
function isSame(one: IssueQuestion, other: IssueQuestion): boolean {
  return (
    one.resource === other.resource &&
    one.ttlSeconds === other.ttlSeconds &&
    one.auth === other.auth &&
    one.scopes.length === other.scopes.length &&
    one.scopes.every((scope, n) => scope === other.scopes[n]) &&
    ipOf(one.address) === ipOf(other.address)
  )
}
