import { Command } from 'commander'
import { systemClock } from '../runtime/clock.ts'
import { type AdminOptions, withAdminOptions, withServer } from './admin.ts'
import { refusalOf, registryOf, waitUntilHeld } from './entry-batch.ts'
import { type EntryFlags, entryOfFlags, maskOfFlags, withEntryFlags } from './entry-flags.ts'
import { printEntry } from './entry-view.ts'
import type { Io } from './io.ts'

interface Options extends AdminOptions, EntryFlags {
  readonly wait?: boolean
}

/** `countersign entry update` */
export function entryUpdate(io: Io): Command {
  const command = new Command('update')
    .description('change an entry; what is not said stays as it is')
    .requiredOption('--id <id>', 'the entry')
    .option('--wait', 'return when the agents concerned hold it')
  return withAdminOptions(withEntryFlags(command))
    .addHelpText(
      'after',
      `
Example:
  countersign entry update --id 2f9c… --selector unix:uid:1000 --selector unix:gid:1000`,
    )
    .action(async (options: Options) => {
      const now = systemClock.now()
      await withServer(io, options, async (channel) => {
        const registry = await registryOf(channel)
        const answer = await registry.unary('BatchUpdate', {
          entries: [entryOfFlags(options, now)],
          input_mask: maskOfFlags(options),
        })
        for (const result of answer.results) {
          for (const warning of result.warnings) io.note(`warning: ${warning}`)
        }
        const refused = refusalOf(io, answer.results)
        if (refused !== undefined) throw refused
        if (options.wait === true) {
          await waitUntilHeld(io, registry, answer.position, [options.id ?? ''])
        }
        const updated = answer.results[0]?.entry
        if (updated !== null && updated !== undefined) {
          printEntry(io, options.output, updated, now)
        }
      })
    })
}
