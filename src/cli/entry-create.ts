import { Command } from 'commander'
import { systemClock } from '../runtime/clock.ts'
import { type AdminOptions, withAdminOptions, withServer } from './admin.ts'
import { refusalOf, registryOf, waitUntilHeld } from './entry-batch.ts'
import { readEntryFile } from './entry-file.ts'
import { type EntryFlags, entryOfFlags, withEntryFlags } from './entry-flags.ts'
import { printEntries, printEntry } from './entry-view.ts'
import type { Io } from './io.ts'

interface Options extends AdminOptions, EntryFlags {
  readonly file?: string
  readonly atomic?: boolean
  readonly wait?: boolean
}

/** `countersign entry create` */
export function entryCreate(io: Io): Command {
  const command = new Command('create')
    .description('register a workload')
    .option('--id <id>', 'an ID for the entry itself; the server draws one otherwise')
    .option('--file <path>', 'create what a JSON file lists, as "entry list -o json" prints it')
    .option('--atomic', 'with --file: all or none')
    .option('--wait', 'return when the agents concerned hold it')
  return withAdminOptions(withEntryFlags(command))
    .addHelpText(
      'after',
      `
Example:
  countersign entry create --parent-id spiffe://example.org/spire/agent/join_token/4f1c… \\
    --spiffe-id spiffe://example.org/web --selector unix:uid:1000 --owner web-team --wait`,
    )
    .action(async (options: Options) => {
      const now = systemClock.now()
      const entries =
        options.file === undefined ? [entryOfFlags(options, now)] : readEntryFile(options.file)
      await withServer(io, options, async (channel) => {
        const registry = await registryOf(channel)
        const answer = await io.progress(
          `creating ${entries.length} entries`,
          registry.unary('BatchCreate', { entries, atomic: options.atomic ?? false }),
        )
        const created = answer.results.flatMap((result) =>
          result.status?.code === 0 && result.entry !== null ? [result.entry] : [],
        )
        for (const result of answer.results) {
          for (const warning of result.warnings) io.note(`warning: ${warning}`)
        }
        const refused = refusalOf(io, answer.results)
        if (options.wait === true && created.length > 0) {
          await waitUntilHeld(io, registry, answer.position, created.map(idOf))
        }
        if (entries.length === 1 && created[0] !== undefined) {
          printEntry(io, options.output, created[0], now)
        } else if (created.length > 0) printEntries(io, options.output, created)
        if (refused !== undefined) throw refused
      })
    })
}

function idOf(registered: { readonly entry: { readonly id: string } | null }): string {
  return registered.entry?.id ?? ''
}
