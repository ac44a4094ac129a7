import { Command, Option } from 'commander'
import type { Logger } from '../rpc/gen/spire/api/types/Logger.ts'
import { type AdminOptions, withAdminOptions, withServer } from './admin.ts'
import type { Io } from './io.ts'
import { printRecord } from './output.ts'

interface SetOptions extends AdminOptions {
  readonly level: 'error' | 'warn' | 'info' | 'debug'
}

const wireLevels = { error: 'ERROR', warn: 'WARN', info: 'INFO', debug: 'DEBUG' } as const

/** `countersign logger get` */
export function loggerGet(io: Io): Command {
  return withAdminOptions(new Command('get').description('what the server logs'))
    .addHelpText('after', '\nExample:\n  countersign logger get')
    .action((options: AdminOptions) => call(io, options, (client) => client.unary('GetLogger', {})))
}

/** `countersign logger set` */
export function loggerSet(io: Io): Command {
  return withAdminOptions(
    new Command('set')
      .description('log more or less, until the server is started anew')
      .addOption(
        new Option('--level <level>', 'the least that is logged')
          .choices(Object.keys(wireLevels))
          .makeOptionMandatory(),
      ),
  )
    .addHelpText('after', '\nExample:\n  countersign logger set --level debug')
    .action((options: SetOptions) =>
      call(io, options, (client) =>
        client.unary('SetLogLevel', { new_level: wireLevels[options.level] }),
      ),
    )
}

/** `countersign logger reset` */
export function loggerReset(io: Io): Command {
  return withAdminOptions(new Command('reset').description('log again as the config file says'))
    .addHelpText('after', '\nExample:\n  countersign logger reset')
    .action((options: AdminOptions) =>
      call(io, options, (client) => client.unary('ResetLogLevel', {})),
    )
}

async function call(
  io: Io,
  options: AdminOptions,
  work: (client: Awaited<ReturnType<typeof clientOf>>) => Promise<Logger>,
): Promise<void> {
  const { current_level, launch_level } = await withServer(io, options, async (channel) =>
    work(await clientOf(channel)),
  )
  const shown = { level: current_level.toLowerCase(), atStart: launch_level.toLowerCase() }
  printRecord(io, options.output, shown, [
    ['level', shown.level],
    ['at start', shown.atStart],
  ])
}

async function clientOf(channel: Parameters<Parameters<typeof withServer>[2]>[0]) {
  const { createClient } = await import('../rpc/client.ts')
  return createClient('spire.api.server.logger.v1.Logger', channel)
}
