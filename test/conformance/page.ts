import { families, type Rule } from './rules.ts'
import type { Ran, Row } from './table.ts'
import { splitTitle } from './titles.ts'

/** docs/conformance.md: a section a document, a line a rule. */
export function pageOf(rows: readonly Row[]): string {
  return [
    '# Conformance',
    '',
    'Made by `npm run conformance` from the list of rules in `test/conformance/rules.txt` and the tests whose',
    'titles begin with their numbers; do not edit. Most rules have more tests than the one that is shown. The',
    'numbers are ours, the sections those of the',
    '[SPIFFE standards](https://github.com/spiffe/spiffe/tree/main/standards). Whom a rule binds: I issuer,',
    'A agent, V validator, C client, BP and BV who publishes and who reads a bundle, BE and BC a bundle',
    'endpoint and its client, BS and BK a broker and its client, OP operator.',
    '',
    ...summary(rows),
    ...families.flatMap(({ name, document }) => section(document, ofFamily(rows, name))),
  ].join('\n')
}

function ofFamily(rows: readonly Row[], name: string): readonly Row[] {
  return rows.filter(({ rule }) => rule.id.startsWith(`${name}-`))
}

function summary(rows: readonly Row[]): readonly string[] {
  const line = (title: string, of: readonly Row[]) => {
    const count = (result: Row['result']) => of.filter((row) => row.result === result).length
    return `| ${title} | ${of.length} | ${count('passed')} | ${count('left out')} |`
  }
  return [
    '| document | rules | proven | left out |',
    '| --- | --- | --- | --- |',
    ...families.map(({ name, document }) => line(document, ofFamily(rows, name))),
    line('all', rows),
    '',
  ]
}

function section(document: string, rows: readonly Row[]): readonly string[] {
  return [
    `## ${document}`,
    '',
    '| rule | strength | binds | § | what it asks | test, or why there is none | result |',
    '| --- | --- | --- | --- | --- | --- | --- |',
    ...rows.map(({ rule, tests, result }) => {
      const { id, strength, binds, section: place, asks } = rule
      const proof = proofOf(rule, tests)
      return `| ${id} | ${strength} | ${binds} | ${place} | ${asks} | ${proof} | ${result} |`
    }),
    '',
  ]
}

/** One test, of test/spec where there is one: then another test of the rule changes nothing here. */
function proofOf({ id, reason }: Rule, tests: readonly Ran[]): string {
  const test = tests.find(({ file }) => file.startsWith('test/spec/')) ?? tests[0]
  if (test === undefined) return reason ?? ''
  return `${escaped(titleFor(id, test))} (\`${test.file}\`)`
}

/** From the outermost suite to the title that names the rule, without any numbers. */
export function titleFor(id: string, { titles }: Ran): string {
  const parts = titles.map(splitTitle)
  const at = parts.findIndex(([ids]) => ids.includes(id))
  return parts
    .slice(0, at + 1)
    .map(([, rest]) => rest)
    .join(': ')
}

function escaped(text: string): string {
  return text.replace(/[\\|<`*_[\]]/g, '\\$&')
}
