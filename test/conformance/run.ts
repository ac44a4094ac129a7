// Runs the tests whose titles begin with the number of a rule, prints the table and makes docs/conformance.md
// of it. Fails where a rule has neither a test that passes nor a reason, and where it has both.
//
//   npm run conformance               # writes docs/conformance.md
//   npm run conformance -- --check    # tells whether it is current
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { pageOf, titleFor } from './page.ts'
import { rules } from './rules.ts'
import { faultsOf, judge, type Ran, type Row } from './table.ts'
import { namePattern, root, splitTitle, titledRules } from './titles.ts'

interface Report {
  readonly testResults: readonly {
    readonly name: string
    readonly message: string
    readonly assertionResults: readonly {
      readonly ancestorTitles: readonly string[]
      readonly title: string
      readonly status: string
      readonly failureMessages: readonly string[]
    }[]
  }[]
}

/** What Vitest ran, and whether all of it went well: an error outside any test counts too. */
function runTests(files: readonly string[]): { readonly report: Report; readonly good: boolean } {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-conformance-'))
  try {
    const file = join(folder, 'report.json')
    const options = ['--testNamePattern', namePattern, '--reporter=json', `--outputFile=${file}`]
    const vitest = join(root, 'node_modules/.bin/vitest')
    const done = spawnSync(vitest, ['run', ...files, ...options], {
      cwd: root,
      stdio: ['ignore', 2, 2],
    })
    return { report: JSON.parse(readFileSync(file, 'utf8')) as Report, good: done.status === 0 }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** The tests in the order of their files; why one failed goes to standard error. */
function ranOf({ testResults }: Report): readonly Ran[] {
  return testResults
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap(({ name, message, assertionResults }) => {
      if (message !== '') process.stderr.write(`${name}: ${message}\n`)
      return assertionResults.map(({ ancestorTitles, title, status, failureMessages }) => {
        for (const failure of failureMessages) process.stderr.write(`${title}: ${failure}\n`)
        return {
          file: relative(root, name),
          titles: [...ancestorTitles, title],
          status: status === 'passed' || status === 'failed' ? status : 'skipped',
        } as const
      })
    })
}

function printedLine({ rule, tests, result }: Row): string {
  const [first] = tests
  const proof = first === undefined ? (rule.reason ?? rule.asks) : titleFor(rule.id, first)
  const more = tests.length > 1 ? ` (and ${tests.length - 1} more)` : ''
  return `${rule.id.padEnd(8)} ${rule.strength.padEnd(10)} ${result.padEnd(8)} ${proof}${more}`
}

const page = join(root, 'docs/conformance.md')
const { report, good } = runTests([...titledRules().keys()])
const ran = ranOf(report)
const named = ran.flatMap(({ titles }) => titles.flatMap((title) => splitTitle(title)[0]))
const faults = [...faultsOf(rules, named)]
const rows = judge(rules, ran)
for (const row of rows) process.stdout.write(`${printedLine(row)}\n`)
const count = (result: Row['result']) => rows.filter((row) => row.result === result).length
process.stdout.write(
  `${rows.length} rules: ${count('passed')} proven, ${count('left out')} left out for a reason\n`,
)
for (const { rule, result } of rows) {
  if (result === 'failed' || result === 'skipped') faults.push(`${rule.id}: ${result}`)
}
if (!good) faults.push('the tests did not end well; see above')

const made = pageOf(rows)
if (!process.argv.includes('--check')) writeFileSync(page, made)
else if (readFileSync(page, 'utf8') !== made) {
  faults.push('docs/conformance.md is not what the tests say; run: npm run conformance')
}
for (const fault of faults) process.stderr.write(`FAULT  ${fault}\n`)
process.exitCode = faults.length > 0 ? 1 : 0
