import type { Rule } from './rules.ts'
import { splitTitle } from './titles.ts'

/** A test that was run. */
export interface Ran {
  readonly file: string
  /** Suites from the outside in, then the test's own title. */
  readonly titles: readonly string[]
  readonly status: 'passed' | 'failed' | 'skipped'
}

export interface Row {
  readonly rule: Rule
  readonly tests: readonly Ran[]
  readonly result: 'passed' | 'failed' | 'skipped' | 'no test' | 'left out'
}

/** A rule is proven where a test that carries its number passed and none failed. */
export function judge(rules: readonly Rule[], ran: readonly Ran[]): readonly Row[] {
  const byRule = new Map<string, Ran[]>()
  for (const test of ran) {
    for (const id of new Set(test.titles.flatMap((title) => splitTitle(title)[0]))) {
      byRule.set(id, [...(byRule.get(id) ?? []), test])
    }
  }
  return rules.map((rule) => {
    const tests = byRule.get(rule.id) ?? []
    return { rule, tests, result: resultOf(rule, tests) }
  })
}

function resultOf(rule: Rule, tests: readonly Ran[]): Row['result'] {
  if (tests.length === 0) return rule.reason === undefined ? 'no test' : 'left out'
  if (tests.some(({ status }) => status === 'failed')) return 'failed'
  return tests.some(({ status }) => status === 'passed') ? 'passed' : 'skipped'
}

/** What is wrong with rules and titles before anything is run, a line each with what to do. */
export function faultsOf(rules: readonly Rule[], titled: Iterable<string>): readonly string[] {
  const named = new Set(titled)
  const known = new Set(rules.map(({ id }) => id))
  return [
    ...[...named]
      .filter((id) => !known.has(id))
      .map((id) => `${id}: a title names it, but rules.txt has no such rule`),
    ...rules
      .filter(({ id, reason }) => reason === undefined && !named.has(id))
      .map(({ id, asks }) => `${id}: no title begins with it (${asks})`),
    ...rules
      .filter(({ id, reason }) => reason !== undefined && named.has(id))
      .map(({ id }) => `${id}: has a test now; take the reason behind it out of rules.txt`),
  ]
}
