import { Command } from 'commander'
import { type AdminOptions, withAdminOptions, withServer } from './admin.ts'
import { createAll, noteWarnings, refusalOf, registryOf } from './entry-batch.ts'
import type { Io } from './io.ts'
import { readTextFile } from './item-status.ts'
import { printRecord } from './output.ts'

interface Options extends AdminOptions {
  readonly fromSpire: string
  readonly owner?: string
}

/** `countersign import` */
export function importEntries(io: Io): Command {
  return withAdminOptions(
    new Command('import')
      .description('register what a SPIRE server has registered, under the same IDs')
      .requiredOption(
        '--from-spire <file>',
        'what "spire-server entry show -output json" prints, or a -data file; - is stdin',
      )
      .option('--owner <name>', 'who owns these entries'),
  )
    .addHelpText(
      'after',
      `
Example:
  spire-server entry show -output json > entries.json
  countersign import --from-spire entries.json --owner platform-team

What is there already is left as it is, so that it can be run again. Bundles of trust domains that
entries federate with are set first: countersign bundle set.`,
    )
    .action(async (options: Options) => {
      const text = await readTextFile(options.fromSpire, 'spire-file')
      const { parseSpireEntries } = await import('./spire-entries.ts')
      const entries = parseSpireEntries(options.fromSpire, text).map((entry) => ({
        ...entry,
        owner: options.owner ?? '',
      }))
      await withServer(io, options, async (channel) => {
        const { results } = await createAll(io, await registryOf(channel), entries, false)
        noteWarnings(io, results)
        const present = results.filter(({ reason }) => reason === 'entry-exists').length
        const imported = results.filter(({ status }) => status?.code === 0).length
        const counts = { imported, present, refused: results.length - imported - present }
        printRecord(io, options.output, counts, [
          ['imported', String(counts.imported)],
          ['there already', String(counts.present)],
          ['refused', String(counts.refused)],
        ])
        const refusal = refusalOf(
          io,
          results.map((result) =>
            result.reason === 'entry-exists'
              ? { ...result, status: { code: 0, message: '' } }
              : result,
          ),
        )
        if (refusal !== undefined) throw refusal
      })
    })
}
