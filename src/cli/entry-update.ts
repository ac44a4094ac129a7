import { Command } from 'commander'
import { systemClock } from '../runtime/clock.ts'
import { type AdminOptions, withAdminOptions, withServer } from './admin.ts'
import {
  noteWarnings,
  type RegistryClient,
  refusalOf,
  registryOf,
  waitUntilHeld,
} from './entry-batch.ts'
import {
  type EntryFlags,
  entryOfFlags,
  maskOfFlags,
  saysNothing,
  withEntryFlags,
} from './entry-flags.ts'
import { printEntry } from './entry-view.ts'
import type { Io } from './io.ts'
import { usage } from './usage.ts'

interface Options extends AdminOptions, EntryFlags {
  readonly id: string
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
  countersign entry update --id 2f9c… --selector unix:uid:1000 --selector unix:gid:1000

An empty value takes away what is there: --dns-name '' --x509-svid-ttl ''`,
    )
    .action(async (options: Options) => {
      const now = systemClock.now()
      if (saysNothing(options)) {
        throw usage(
          'nothing to change is named',
          'see what can be: countersign entry update --help',
        )
      }
      await withServer(io, options, async (channel) => {
        const registry = await registryOf(channel)
        const said = await withBothFlags(registry, options)
        const answer = await registry.unary('BatchUpdate', {
          entries: [entryOfFlags(said, now)],
          input_mask: maskOfFlags(said),
        })
        noteWarnings(io, answer.results)
        const refused = refusalOf(io, answer.results)
        if (refused !== undefined) throw refused
        const updated = answer.results[0]?.entry
        if (updated !== null && updated !== undefined) {
          printEntry(io, options.output, updated, now)
        }
        if (options.wait === true) await waitUntilHeld(io, registry, answer.position, [options.id])
      })
    })
}

/** The wire has one mask for these two: where one was said, the other is given as it is. */
async function withBothFlags(registry: RegistryClient, options: Options): Promise<Options> {
  if ((options.prefetch === undefined) === (options.jti === undefined)) return options
  const { entry } = await registry.unary('Get', { id: options.id })
  const now = entry?.additional_attributes
  return {
    ...options,
    prefetch: options.prefetch ?? now?.disable_x509_svid_prefetch !== true,
    jti: options.jti ?? now?.jwt_svid_include_jti === true,
  }
}
