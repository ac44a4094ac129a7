import { type Command, Option } from 'commander'
import type { RpcChannel } from '../rpc/dial.ts'
import { outputOption } from './admin.ts'
import { requireSocket, socketPath, whileOpen } from './connection.ts'
import type { Io } from './io.ts'
import type { OutputFormat } from './output.ts'

const agentAdminVariable = 'COUNTERSIGN_AGENT_ADMIN_SOCKET'

export interface AgentAdminOptions {
  readonly adminSocket: string
  readonly output: OutputFormat
}

/** The options of every verb that an operator gives to the agent of this machine. */
export function withAgentAdminOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--admin-socket <path>', `the agent's admin socket (admin_socket in its config)`)
        .env(agentAdminVariable)
        .argParser(socketPath)
        .makeOptionMandatory(),
    )
    .addOption(outputOption())
}

/** Opens the agent's admin socket for the time of `work`. */
export async function withAgent<T>(
  io: Io,
  { adminSocket }: AgentAdminOptions,
  work: (channel: RpcChannel) => Promise<T>,
): Promise<T> {
  const listener = {
    who: 'agent',
    at: adminSocket,
    fix: 'set admin_socket in the config of the agent, and name it with --admin-socket',
  } as const
  requireSocket(listener)
  const { dialUnix } = await import('../rpc/dial.ts')
  return io.progress('waiting for the agent', whileOpen(io, listener, dialUnix(adminSocket), work))
}
