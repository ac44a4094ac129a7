import { Command } from 'commander'
import { CountersignError } from '../errors.ts'
import type { PolicyCase } from '../policy/case-file.ts'
import type { Decision } from '../policy/question.ts'
import { systemClock } from '../runtime/clock.ts'
import { outputOption } from './admin.ts'
import type { Io } from './io.ts'
import { type OutputFormat, printRows } from './output.ts'

interface Outcome {
  readonly name: string
  readonly passed: boolean
  readonly got: Decision
  readonly expected: string
}

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
      const outcomes = await runCases(file)
      const failed = outcomes.filter(({ passed }) => !passed)
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
      if (failed.length === 0) io.note(`${outcomes.length} cases as expected`)
      else throw failure(failed.length, outcomes.length)
    })
}

async function runCases(file: string): Promise<readonly Outcome[]> {
  const { readCaseFile } = await import('../policy/case-file.ts')
  const { readPolicyFolder } = await import('../policy/policy-folder.ts')
  const { readPolicySet } = await import('../policy/policy-set.ts')
  const { builtInPolicies } = await import('../policy/built-in.ts')
  const { createPolicyEngine } = await import('../policy/engine.ts')
  const { questionOf } = await import('../policy/stated-question.ts')
  const { policies, cases, ...options } = readCaseFile(file)
  const { files } = await readPolicyFolder(policies)
  const set = await readPolicySet(files, systemClock)
  const engine = createPolicyEngine()
  engine.load(new Map([...set, ...builtInPolicies(options)]))
  return cases.map((one) => {
    const question = within(`${file}: ${one.name}`, () => questionOf(one.question))
    return outcomeOf(one, engine.decide(question, one.time ?? systemClock.now()))
  })
}

function within<T>(place: string, read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (!(error instanceof CountersignError)) throw error
    const { code, reason, fix, message } = error
    throw new CountersignError(code, `${place}: ${message}`, { reason, fix, cause: error })
  }
}

function outcomeOf({ name, expect, by }: PolicyCase, got: Decision): Outcome {
  const passed =
    got.allowed === (expect === 'allow') &&
    (by === undefined || [...by].sort().join(' ') === got.policies.join(' '))
  return { name, passed, got, expected: [expect, ...(by ?? [])].join(' ') }
}

function failure(failed: number, all: number): CountersignError {
  return new CountersignError('invalid', `${failed} of ${all} cases are decided otherwise`, {
    reason: 'policy-cases',
    fix: 'correct the policies or the cases; "countersign policy explain" says why one is decided so',
  })
}
