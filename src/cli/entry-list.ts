import { Command, Option } from 'commander'
import { parseSelector } from '../entry/selector.ts'
import type { RpcChannel } from '../rpc/dial.ts'
import type { Filter$Input } from '../rpc/gen/countersign/registry/v1/Filter.ts'
import type { RegisteredEntry } from '../rpc/gen/countersign/registry/v1/RegisteredEntry.ts'
import { systemClock } from '../runtime/clock.ts'
import { SpiffeId, TrustDomain } from '../spiffe-id/spiffe-id.ts'
import { type AdminOptions, withAdminOptions, withServer } from './admin.ts'
import { registryOf } from './entry-batch.ts'
import { parseLabel, wireId } from './entry-flags.ts'
import { printEntries, printEntry } from './entry-view.ts'
import { everyPage } from './every-page.ts'
import type { Io } from './io.ts'
import { printRecord } from './output.ts'
import { eachFormed, formed } from './value-form.ts'

const matchWords = {
  exact: 'MATCH_EXACT',
  subset: 'MATCH_SUBSET',
  superset: 'MATCH_SUPERSET',
  any: 'MATCH_ANY',
} as const

interface Options extends AdminOptions {
  readonly spiffeId?: string
  readonly parentId?: string
  readonly selector?: readonly string[]
  readonly match: keyof typeof matchWords
  readonly federatesWith?: readonly string[]
  readonly hint?: string
  readonly downstream?: boolean
  readonly owner?: string
  readonly label?: readonly string[]
  readonly disabled?: boolean
}

/** `countersign entry list` */
export function entryList(io: Io): Command {
  return withAdminOptions(withFilter(new Command('list').description('list entries')))
    .addHelpText(
      'after',
      '\nExample:\n  countersign entry list --owner web-team --selector unix:uid:1000 --match any',
    )
    .action(async (options: Options) => {
      await withServer(io, options, async (channel) => {
        const entries = await io.progress('listing', everyEntry(channel, filterOf(options)))
        printEntries(io, options.output, entries)
      })
    })
}

/** All entries that pass the filter. */
export async function everyEntry(
  channel: RpcChannel,
  filter: Filter$Input,
): Promise<readonly RegisteredEntry[]> {
  const registry = await registryOf(channel)
  const pages = await everyPage((page_token) =>
    registry.unary('List', { filter, page_size: 1000, page_token }),
  )
  return pages.flatMap(({ entries }) => entries)
}

/** `countersign entry count` */
export function entryCount(io: Io): Command {
  return withAdminOptions(withFilter(new Command('count').description('count entries')))
    .addHelpText('after', '\nExample:\n  countersign entry count --owner web-team')
    .action(async (options: Options) => {
      await withServer(io, options, async (channel) => {
        const registry = await registryOf(channel)
        const { count } = await registry.unary('Count', { filter: filterOf(options) })
        printRecord(io, options.output, { count }, [['entries', String(count)]])
      })
    })
}

/** `countersign entry show` */
export function entryShow(io: Io): Command {
  return withAdminOptions(
    new Command('show').description('show one entry').requiredOption('--id <id>', 'the entry'),
  )
    .addHelpText('after', '\nExample:\n  countersign entry show --id 2f9c…')
    .action(async (options: AdminOptions & { readonly id: string }) => {
      await withServer(io, options, async (channel) => {
        const registry = await registryOf(channel)
        const entry = await registry.unary('Get', { id: options.id })
        printEntry(io, options.output, entry, systemClock.now())
      })
    })
}

function withFilter(command: Command): Command {
  return (
    command
      .option('--spiffe-id <id>', 'only entries that give this ID', formed(SpiffeId.parse))
      .option('--parent-id <id>', 'only entries under this parent', formed(SpiffeId.parse))
      .option(
        '--selector <type:value>',
        'only entries whose selectors match; repeat',
        eachFormed(parseSelector),
      )
      .addOption(
        new Option('--match <how>', 'how --selector and --federates-with match')
          .choices(Object.keys(matchWords))
          .default('superset'),
      )
      .option(
        '--federates-with <trust domain>',
        'only entries that federate; repeat',
        eachFormed(TrustDomain.parseIdOrName),
      )
      .option('--hint <text>', 'only entries with this hint')
      .option('--downstream', 'only downstream entries')
      .option('--owner <name>', 'only entries of this owner')
      .option('--label <key=value>', 'only entries with this label; repeat', eachFormed(parseLabel))
      // Named before its negation, so that the flag is undefined where neither was said.
      .option('--disabled', 'only entries that are disabled')
      .option('--no-disabled', 'only entries that are not')
  )
}

function filterOf(options: Options): Filter$Input {
  const match = matchWords[options.match]
  return {
    entry: {
      by_spiffe_id: wireId(options.spiffeId),
      by_parent_id: wireId(options.parentId),
      by_selectors:
        options.selector === undefined
          ? null
          : { selectors: options.selector.map(parseSelector).map((one) => ({ ...one })), match },
      by_federates_with:
        options.federatesWith === undefined
          ? null
          : { trust_domains: options.federatesWith.map(TrustDomain.parseIdOrName), match },
      by_hint: options.hint === undefined ? null : { value: options.hint },
      by_downstream: options.downstream === undefined ? null : { value: options.downstream },
    },
    owner: options.owner ?? '',
    labels: Object.fromEntries((options.label ?? []).map(parseLabel)),
    disabled: options.disabled === undefined ? null : { value: options.disabled },
  }
}
