import { Command } from 'commander'
import { type AdminOptions, withAdminOptions, withServer } from './admin.ts'
import { refusalOf, registryOf } from './entry-batch.ts'
import type { Io } from './io.ts'
import { printJson } from './output.ts'

interface Options extends AdminOptions {
  readonly id: readonly string[]
  readonly atomic?: boolean
}

/** `countersign entry delete` */
export function entryDelete(io: Io): Command {
  const command = new Command('delete')
    .description('take an identity away, for good')
    .requiredOption('--id <id...>', 'the entries')
    .option('--atomic', 'all or none')
  return withAdminOptions(command)
    .addHelpText(
      'after',
      `
Within a second its workloads have no identity, and what it was issued is refused: SVIDs as a proof to the token service,
access tokens everywhere. Services that look at X.509-SVIDs alone take those that are out until they expire. To take it
away for a while there is "entry disable".

Example:
  countersign entry delete --id 2f9c…`,
    )
    .action(async (options: Options) => {
      await withServer(io, options, async (channel) => {
        const registry = await registryOf(channel)
        const { results } = await registry.unary('BatchDelete', {
          ids: [...options.id],
          atomic: options.atomic ?? false,
        })
        const deleted = options.id.filter((_, at) => results[at]?.status?.code === 0)
        if (options.output === 'json') printJson(io, { deleted })
        else for (const id of deleted) io.write(`deleted ${id}\n`)
        const refused = refusalOf(io, results)
        if (refused !== undefined) throw refused
      })
    })
}
