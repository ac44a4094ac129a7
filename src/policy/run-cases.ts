import { CountersignError } from '../errors.ts'
import type { Clock } from '../runtime/clock.ts'
import { builtInPolicies } from './built-in.ts'
import type { CaseFile, PolicyCase } from './case-file.ts'
import { createPolicyEngine } from './engine.ts'
import type { PolicySet } from './policy-set.ts'
import type { Decision } from './question.ts'
import { questionOf } from './stated-question.ts'

export interface CaseOutcome {
  readonly name: string
  readonly passed: boolean
  readonly got: Decision
  /** `allow` or `deny`, and ids. */
  readonly expected: string
}

/** Decides each case by these policies. Throws `invalid` `policy-question`, with the name of the case. */
export function runCases(
  { cases, ...options }: Pick<CaseFile, 'cases' | 'separateEnvironments'>,
  policies: PolicySet,
  clock: Pick<Clock, 'now'>,
): readonly CaseOutcome[] {
  const engine = createPolicyEngine()
  engine.load(new Map([...policies, ...builtInPolicies(options)]))
  const outcomes = cases.map((one) => {
    const question = within(one.name, () => questionOf(one.question))
    return outcomeOf(one, engine.decide(question, one.time ?? clock.now()))
  })
  engine.load(new Map())
  return outcomes
}

function outcomeOf({ name, expect, by }: PolicyCase, got: Decision): CaseOutcome {
  const passed =
    got.allowed === (expect === 'allow') &&
    (by === undefined || [...by].sort().join(' ') === got.policies.join(' '))
  return { name, passed, got, expected: [expect, ...(by ?? [])].join(' ') }
}

/** Throws `invalid` `policy-cases` where one was decided otherwise. */
export function checkOutcomes(outcomes: readonly CaseOutcome[]): void {
  const failed = outcomes.filter(({ passed }) => !passed)
  if (failed.length === 0) return
  throw new CountersignError(
    'invalid',
    `${failed.length} of ${outcomes.length} cases are decided otherwise, the first is: ${failed[0]?.name}`,
    {
      reason: 'policy-cases',
      fix: 'correct the policies or the cases; "countersign policy explain" says why one is decided so',
    },
  )
}

function within<T>(name: string, read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (!(error instanceof CountersignError)) throw error
    const { code, reason, fix, message } = error
    throw new CountersignError(code, `${name}: ${message}`, { reason, fix, cause: error })
  }
}
