import { Command } from 'commander'
import { type AdminOptions, withAdminOptions, withServer } from './admin.ts'
import { noteWarnings, refusalOf, registryOf, waitUntilHeld } from './entry-batch.ts'
import type { Io } from './io.ts'
import { printJson } from './output.ts'

interface Options extends AdminOptions {
  readonly id: readonly string[]
  readonly reason?: string
  readonly atomic?: boolean
  readonly wait?: boolean
}

/** `countersign entry disable` */
export function entryDisable(io: Io): Command {
  return switchVerb(
    new Command('disable')
      .description('switch an identity off: as if it were deleted, until "entry enable"')
      .requiredOption('--id <id...>', 'the entries'),
  )
    .addHelpText(
      'after',
      `
Within a second its workloads have no identity, and what it was issued is refused: SVIDs as a proof to the token service,
access tokens everywhere. Services that look at X.509-SVIDs alone take those that are out until they expire. What was
issued before stays dead when it is enabled again. "entry list --disabled" shows which there are, "audit search
AUDIT_FILE --entry ID" by whom and why.

Example:
  countersign entry disable --id 2f9c… --reason "key seen in a paste"`,
    )
    .action((options: Options) => switchEntries(io, options, 'BatchDisable', 'disabled'))
}

/** `countersign entry enable` */
export function entryEnable(io: Io): Command {
  return switchVerb(
    new Command('enable')
      .description('switch an identity on again: its workloads get new SVIDs and tokens')
      .requiredOption('--id <id...>', 'the entries'),
  )
    .option('--wait', 'return when the agents concerned hold them')
    .addHelpText(
      'after',
      '\nExample:\n  countersign entry enable --id 2f9c… --reason "key replaced" --wait',
    )
    .action((options: Options) => switchEntries(io, options, 'BatchEnable', 'enabled'))
}

function switchVerb(command: Command): Command {
  return withAdminOptions(
    command.option('--reason <text>', 'why, for the audit trail').option('--atomic', 'all or none'),
  )
}

async function switchEntries(
  io: Io,
  options: Options,
  method: 'BatchDisable' | 'BatchEnable',
  done: 'disabled' | 'enabled',
): Promise<void> {
  await withServer(io, options, async (channel) => {
    const registry = await registryOf(channel)
    const { reason = '', atomic = false } = options
    const { results, position } = await registry.unary(method, {
      ids: [...options.id],
      ...{ reason, atomic },
    })
    noteWarnings(io, results)
    const ids = options.id.filter((_, at) => results[at]?.status?.code === 0)
    if (options.output === 'json') printJson(io, { [done]: ids })
    else for (const id of ids) io.write(`${done} ${id}\n`)
    const refused = refusalOf(io, results)
    if (refused !== undefined) throw refused
    if (options.wait === true) await waitUntilHeld(io, registry, position, ids)
  })
}
