import { Command } from 'commander'
import { systemClock } from '../runtime/clock.ts'
import { outputOption } from './admin.ts'
import type { Io } from './io.ts'
import { type OutputFormat, printRecord } from './output.ts'

/** `countersign policy check` */
export function policyCheck(io: Io): Command {
  return new Command('check')
    .description('whether a server would take the Cedar files of a folder; exit code 1 where not')
    .argument('<folder>', 'what oauth.policy of a server names: all of its *.cedar files')
    .addOption(outputOption())
    .addHelpText(
      'after',
      `
Example:
  countersign policy check /etc/countersign/policy`,
    )
    .action(async (folder: string, { output }: { readonly output: OutputFormat }) => {
      const { readPolicyFolder } = await import('../policy/policy-folder.ts')
      const { readPolicySet } = await import('../policy/policy-set.ts')
      const { files, revision } = await readPolicyFolder(folder)
      const policies = [...(await readPolicySet(files, systemClock)).keys()].sort()
      printRecord(io, output, { files: files.map(({ name }) => name), policies, revision }, [
        ['files', String(files.length)],
        ['policies', policies.join(' ')],
        ['revision', revision],
      ])
    })
}
