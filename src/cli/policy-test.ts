import { Command } from 'commander'
import { CountersignError } from '../errors.ts'
import type { CaseOutcome } from '../policy/run-cases.ts'
import { systemClock } from '../runtime/clock.ts'
import { counted } from '../runtime/counted.ts'
import { outputOption } from './admin.ts'
import type { Io } from './io.ts'
import { type OutputFormat, printRows } from './output.ts'

/** `countersign policy test` */
export function policyTest(io: Io): Command {
  return new Command('test')
    .description('whether policies decide as a file of cases says; exit code 1 where not')
    .argument('<file>', 'YAML: policies (a folder, beside the file unless told), and cases')
    .addOption(outputOption())
    .addHelpText(
      'after',
      `
A case:
  - name: the shop reads orders
    entry: {id: spiffe://example.org/web, owner: shop, labels: {env: prod}}
    resource: {id: https://orders.example.org, env: prod}
    scopes: [orders:read]
    expect: allow
    by: [orders-for-the-shop]

Example:
  countersign policy test /etc/countersign/policy/cases.yaml`,
    )
    .action(async (file: string, { output }: { readonly output: OutputFormat }) => {
      const { readCaseFile } = await import('../policy/case-file.ts')
      const { readPolicyFolder } = await import('../policy/policy-folder.ts')
      const { readPolicySet } = await import('../policy/policy-set.ts')
      const { checkOutcomes, runCases } = await import('../policy/run-cases.ts')
      const cases = await advising(
        'config-key',
        (fix) => `${fix}; "countersign policy test --help" has a file of cases`,
        () => readCaseFile(file),
      )
      const { files } = await advising(
        'policy-folder-empty',
        () => `name the folder of the policies in ${file}, as policies: ../policy`,
        () => readPolicyFolder(cases.policies),
      )
      const outcomes = runCases(cases, await readPolicySet(files, systemClock), systemClock)
      printOutcomes(io, output, outcomes)
      checkOutcomes(outcomes)
      io.note(`${counted(outcomes.length, 'case')} as expected`)
    })
}

/** Throws what `work` throws; where it has this reason, with another thing to do next. */
async function advising<T>(
  reason: string,
  fixOf: (before: string) => string,
  work: () => T | Promise<T>,
): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof CountersignError) || error.reason !== reason) throw error
    const fix = fixOf(error.fix ?? '')
    throw new CountersignError(error.code, error.message, { reason, fix, cause: error })
  }
}

/** For people those that failed, else all. */
function printOutcomes(io: Io, output: OutputFormat, outcomes: readonly CaseOutcome[]): void {
  const failed = outcomes.filter(({ passed }) => !passed)
  if (output !== 'json' && failed.length === 0) return
  printRows(
    io,
    output,
    output === 'json' ? outcomes : failed,
    [
      { title: 'CASE', text: ({ name }) => name },
      { title: 'EXPECTED', text: ({ expected }) => expected },
      { title: 'GOT', text: ({ got }) => [got.reason, ...got.policies].join(' ') },
    ],
    ({ name, passed, got }) => ({ name, passed, ...got }),
  )
}
