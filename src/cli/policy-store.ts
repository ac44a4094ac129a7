import { Command } from 'commander'
import type { PolicyFile } from '../policy/policy-set.ts'
import type { RpcChannel } from '../rpc/dial.ts'
import type { Version } from '../rpc/gen/countersign/policy/v1/Version.ts'
import { systemClock } from '../runtime/clock.ts'
import { type AdminOptions, withAdminOptions, withServer } from './admin.ts'
import type { Io } from './io.ts'
import { printable, printJson, printRecord, printRows, relativeTime } from './output.ts'
import { usage } from './usage.ts'

/** `countersign policy apply` */
export function policyApply(io: Io): Command {
  return withAdminOptions(
    new Command('apply')
      .description('put the Cedar files of a folder in force, on all servers of the trust domain')
      .argument('<folder>', 'its *.cedar files replace all that was in force')
      .option(
        '--cases <file>',
        'as for "policy test": apply nothing where one is decided otherwise',
      ),
  )
    .addHelpText(
      'after',
      `
The servers have oauth.policy: store. What does not fit the schema is refused, and what was in force stays.

Example:
  countersign policy apply /etc/countersign/policy --cases cases.yaml`,
    )
    .action(async (folder: string, options: AdminOptions & { readonly cases?: string }) => {
      const { readPolicyFolder } = await import('../policy/policy-folder.ts')
      const { files } = await readPolicyFolder(folder)
      if (options.cases !== undefined) await checkCases(options.cases, files)
      const { version, changed } = await withServer(io, options, async (channel) =>
        io.progress('applying', (await clientOf(channel)).unary('Apply', { files: [...files] })),
      )
      if (version === null) return
      printRecord(io, options.output, { ...versionJson(version), changed }, [
        ['version', String(version.version)],
        ['revision', version.revision],
        ['changed', changed ? 'yes' : 'no, it was in force'],
      ])
    })
}

/** `countersign policy show` */
export function policyShow(io: Io): Command {
  return withAdminOptions(
    new Command('show')
      .description('the policies of one version in the store')
      .argument('[version]', 'of this version; of the one in force unless told', versionNumber),
  )
    .addHelpText('after', '\nExample:\n  countersign policy show 3')
    .action(async (number: number | undefined, options: AdminOptions) => {
      const { version, files } = await withServer(io, options, async (channel) =>
        (await clientOf(channel)).unary('Show', { version: number ?? 0 }),
      )
      if (version === null) return
      if (options.output === 'json') printJson(io, { ...versionJson(version), files })
      else for (const { name, text } of files) io.write(`// ${name}\n${withoutControls(text)}\n`)
    })
}

/** `countersign policy history` */
export function policyHistory(io: Io): Command {
  return withAdminOptions(
    new Command('history').description('what was in force when, newest first'),
  )
    .addHelpText('after', '\nExample:\n  countersign policy history')
    .action(async (options: AdminOptions) => {
      const now = systemClock.now()
      const { versions } = await withServer(io, options, async (channel) =>
        (await clientOf(channel)).unary('History', {}),
      )
      printRows(
        io,
        options.output,
        versions,
        [
          { title: 'VERSION', text: ({ version }) => String(version) },
          {
            title: 'APPLIED',
            text: (one) => relativeTime(new Date(Number(one.applied_at_ms)), now),
          },
          { title: 'BY', text: (one) => one.applied_by },
          { title: 'FILES', text: ({ files }) => String(files) },
          { title: 'REVISION', text: ({ revision }) => revision },
        ],
        versionJson,
      )
    })
}

async function checkCases(path: string, files: readonly PolicyFile[]): Promise<void> {
  const { readCaseFile } = await import('../policy/case-file.ts')
  const { readPolicySet } = await import('../policy/policy-set.ts')
  const { checkOutcomes, runCases } = await import('../policy/run-cases.ts')
  const policies = await readPolicySet(files, systemClock)
  checkOutcomes(runCases(readCaseFile(path), policies, systemClock))
}

async function clientOf(channel: RpcChannel) {
  const { createClient } = await import('../rpc/client.ts')
  return createClient('countersign.policy.v1.Policies', channel)
}

function versionJson(one: Version): Readonly<Record<string, string | number>> {
  const { version, revision, applied_at_ms, applied_by } = one
  return {
    ...{ version, revision },
    ...{ appliedAt: new Date(Number(applied_at_ms)).toISOString(), appliedBy: applied_by },
  }
}

/** Throws `invalid` / `usage`. */
function versionNumber(text: string): number {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text)
  throw usage(`not a version: ${text}`, 'take one of those that "countersign policy history" shows')
}

/** What a policy says cannot drive the terminal; its lines stay lines. */
function withoutControls(text: string): string {
  return text.split('\n').map(printable).join('\n')
}
