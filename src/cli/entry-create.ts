import { Command } from 'commander'
import { systemClock } from '../runtime/clock.ts'
import { type AdminOptions, withAdminOptions, withServer } from './admin.ts'
import { createAll, noteWarnings, refusalOf, registryOf, waitUntilHeld } from './entry-batch.ts'
import { type EntryFlags, entryOfFlags, saysNothing, withEntryFlags } from './entry-flags.ts'
import { printEntries, printEntry } from './entry-view.ts'
import type { Io } from './io.ts'
import { usage } from './usage.ts'

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
        options.file === undefined
          ? [entryOfFlags(withTheNeeded(options), now)]
          : (await import('./entry-file.ts')).readEntryFile(alone(options.file, options))
      await withServer(io, options, async (channel) => {
        const registry = await registryOf(channel)
        const answer = await createAll(io, registry, entries, options.atomic ?? false)
        const created = answer.results.flatMap((result) =>
          result.status?.code === 0 && result.entry !== null ? [result.entry] : [],
        )
        noteWarnings(io, answer.results)
        const refused = refusalOf(io, answer.results)
        // A file is answered by a list, whatever its length: programs read one shape.
        if (options.file !== undefined) printEntries(io, options.output, created)
        else if (created[0] !== undefined) printEntry(io, options.output, created[0], now)
        if (options.wait === true && created.length > 0) {
          await waitUntilHeld(io, registry, answer.position, created.map(idOf))
        }
        if (refused !== undefined) throw refused
      })
    })
}

/** Throws `invalid` / `usage` where a flag is missing that every entry needs. */
function withTheNeeded(options: Options): Options {
  const missing = [
    ...(options.spiffeId === undefined ? ['--spiffe-id'] : []),
    ...(options.parentId === undefined ? ['--parent-id'] : []),
    ...(options.selector === undefined ? ['--selector'] : []),
  ]
  if (missing.length === 0) return options
  throw usage(
    `an entry needs ${missing.join(', ')}`,
    'see an example: countersign entry create --help',
  )
}

/** The file. Throws `invalid` / `usage` where flags say something of an entry beside it, which nobody would hear. */
function alone(file: string, options: Options): string {
  if (options.id === undefined && saysNothing(options)) return file
  throw usage(
    '--file says all of its entries',
    'write into the file what the other flags say, or leave --file out',
  )
}

function idOf(registered: { readonly entry: { readonly id: string } | null }): string {
  return registered.entry?.id ?? ''
}
