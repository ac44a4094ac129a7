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
    .description('take an identity away: its workloads are refused within a second')
    .requiredOption('--id <id...>', 'the entries')
    .option('--atomic', 'all or none')
  return withAdminOptions(command)
    .addHelpText('after', '\nExample:\n  countersign entry delete --id 2f9c…')
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
