import { families } from './rules.ts'
import type { Ran, Row } from './table.ts'
import { splitTitle } from './titles.ts'

/** Files that a rule's line names; a rule may be proven in more. */
const shownFiles = 3

/** docs/conformance.md: a section a document, a line a rule. */
export function pageOf(rows: readonly Row[]): string {
  return [
    '# Conformance',
    '',
    'Made by `npm run conformance` from the list of rules in `test/conformance/rules.txt` and the tests whose',
    'titles begin with their numbers; do not edit. The numbers are ours, the sections those of the',
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
      const proof = tests.length === 0 ? (rule.reason ?? '') : proofOf(rule.id, tests)
      const { id, strength, binds, section: place, asks } = rule
      return `| ${id} | ${strength} | ${binds} | ${place} | ${asks} | ${proof} | ${result} |`
    }),
    '',
  ]
}

/** The first test of each file, so that one more of a kind changes nothing here. */
function proofOf(id: string, tests: readonly Ran[]): string {
  const first = [...new Map(tests.toReversed().map((test) => [test.file, test])).values()].sort(
    (a, b) => (a.file < b.file ? -1 : 1),
  )
  return first
    .slice(0, shownFiles)
    .map((test) => `${escaped(titleFor(id, test))} (\`${test.file.replace(/^test\//, '')}\`)`)
    .join('; ')
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
