import { join } from 'node:path'
import { type Command, Option } from 'commander'
import type { RpcChannel } from '../rpc/dial.ts'
import { socketFolder } from '../runtime/socket-folder.ts'
import { requireSocket, socketPath, whileOpen } from './connection.ts'
import type { Io } from './io.ts'
import { type OutputFormat, parseFormat } from './output.ts'

const adminSocketVariable = 'COUNTERSIGN_ADMIN_SOCKET'

export interface AdminOptions {
  readonly adminSocket?: string
  readonly output: OutputFormat
}

/** The options of every verb that an operator gives to a server. */
export function withAdminOptions(command: Command): Command {
  return command.addOption(adminSocketOption()).addOption(outputOption())
}

export function adminSocketOption(): Option {
  return new Option('--admin-socket <path>', `the server's admin socket`)
    .env(adminSocketVariable)
    .argParser(socketPath)
}

export function outputOption(): Option {
  return new Option('-o, --output <format>', 'table for people, json for programs')
    .argParser(parseFormat)
    .default('table')
}

/** Where `countersign dev` puts its sockets for the folder that we are in. */
export function devSockets(env: Io['env']): { readonly admin: string; readonly agent: string } {
  const folder = socketFolder('./.countersign', env, process.getuid?.() ?? 0)
  return { admin: join(folder, 'admin.sock'), agent: join(folder, 'agent.sock') }
}

/** Opens the admin socket for the time of `work`. */
export async function withServer<T>(
  io: Io,
  options: AdminOptions,
  work: (channel: RpcChannel) => Promise<T>,
): Promise<T> {
  const listener = {
    who: 'server',
    at: options.adminSocket ?? devSockets(io.env).admin,
    fix: `start one with "countersign server run", or name its socket with --admin-socket or ${adminSocketVariable}`,
  } as const
  requireSocket(listener)
  const { dialUnix } = await import('../rpc/dial.ts')
  const working = whileOpen(io, listener, dialUnix(listener.at), work)
  return io.progress('waiting for the server', working)
}
