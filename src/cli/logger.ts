import { Command, Option } from 'commander'
import type { RpcClient } from '../rpc/client.ts'
import type { RpcChannel } from '../rpc/dial.ts'
import type { Logger } from '../rpc/gen/spire/api/types/Logger.ts'
import type { ServiceDefinitions } from '../rpc/services.ts'
import { type AdminOptions, withAdminOptions, withServer } from './admin.ts'
import { type AgentAdminOptions, withAgent, withAgentAdminOptions } from './agent-admin.ts'
import type { Io } from './io.ts'
import { type OutputFormat, printRecord } from './output.ts'

interface Called {
  readonly output: OutputFormat
}

type Work = (channel: RpcChannel) => Promise<Logger>

/** Whose log it is, and how it is reached. */
interface Logging<O extends Called> {
  readonly who: 'server' | 'agent'
  readonly service: 'spire.api.server.logger.v1.Logger' | 'spire.api.agent.logger.v1.Logger'
  readonly command: string
  withOptions(command: Command): Command
  call(io: Io, options: O, work: Work): Promise<Logger>
}

const ofServer: Logging<AdminOptions> = {
  who: 'server',
  service: 'spire.api.server.logger.v1.Logger',
  command: 'countersign logger',
  withOptions: withAdminOptions,
  call: withServer,
}

const ofAgent: Logging<AgentAdminOptions> = {
  who: 'agent',
  service: 'spire.api.agent.logger.v1.Logger',
  command: 'countersign agent logger',
  withOptions: withAgentAdminOptions,
  call: withAgent,
}

const wireLevels = { error: 'ERROR', warn: 'WARN', info: 'INFO', debug: 'DEBUG' } as const

/** `countersign logger get|set|reset` */
export function serverLogger(io: Io): readonly Command[] {
  return verbs(io, ofServer)
}

/** `countersign agent logger get|set|reset` */
export function agentLogger(io: Io): readonly Command[] {
  return verbs(io, ofAgent)
}

function verbs<O extends Called>(io: Io, logging: Logging<O>): readonly Command[] {
  const { who, service, command, withOptions } = logging
  const show = async (
    options: O,
    ask: (client: RpcClient<ServiceDefinitions[typeof service]>) => Promise<Logger>,
  ): Promise<void> => {
    const { createClient } = await import('../rpc/client.ts')
    const { current_level, launch_level } = await logging.call(io, options, (channel) =>
      ask(createClient(service, channel)),
    )
    const shown = { level: current_level.toLowerCase(), atStart: launch_level.toLowerCase() }
    printRecord(io, options.output, shown, [
      ['level', shown.level],
      ['at start', shown.atStart],
    ])
  }
  return [
    withOptions(new Command('get').description(`what the ${who} logs`))
      .addHelpText('after', `\nExample:\n  ${command} get`)
      .action((options: O) => show(options, (client) => client.unary('GetLogger', {}))),
    withOptions(
      new Command('set')
        .description(`log more or less, until the ${who} is started anew`)
        .addOption(
          new Option('--level <level>', 'the least that is logged')
            .choices(Object.keys(wireLevels))
            .makeOptionMandatory(),
        ),
    )
      .addHelpText('after', `\nExample:\n  ${command} set --level debug`)
      .action((options: O & { readonly level: keyof typeof wireLevels }) =>
        show(options, (client) =>
          client.unary('SetLogLevel', { new_level: wireLevels[options.level] }),
        ),
      ),
    withOptions(new Command('reset').description('log again as the config file says'))
      .addHelpText('after', `\nExample:\n  ${command} reset`)
      .action((options: O) => show(options, (client) => client.unary('ResetLogLevel', {}))),
  ]
}
