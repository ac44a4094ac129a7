import { existsSync } from 'node:fs'
import { Command } from 'commander'
import { CountersignError } from '../errors.ts'
import type { RpcChannel } from '../rpc/dial.ts'
import { type AdminOptions, withAdminOptions, withServer } from './admin.ts'
import type { Io } from './io.ts'
import { printRecord } from './output.ts'
import { resolveHere, type WorkloadOptions, withWorkloadOptions } from './workload.ts'

const timeoutMs = 5000

/** `countersign server health` */
export function serverHealth(io: Io): Command {
  return withAdminOptions(
    new Command('health').description('whether the server can do its work; exit code 69 where not'),
  )
    .addHelpText('after', '\nExample:\n  countersign server health')
    .action(async (options: AdminOptions) => {
      await withServer(io, options, (channel) => report(io, options, channel, 'server'))
    })
}

/** `countersign agent health` */
export function agentHealth(io: Io): Command {
  return withWorkloadOptions(
    new Command('health').description('whether the agent serves; exit code 69 where not'),
  )
    .addHelpText('after', '\nExample:\n  countersign agent health')
    .action(async (options: WorkloadOptions) => {
      const endpoint = resolveHere(io, options.socket)
      if (endpoint.kind !== 'unix' || !existsSync(endpoint.path)) {
        throw new CountersignError('unavailable', 'no agent listens there', {
          reason: 'agent-socket-missing',
          fix: 'start one with "countersign agent run", or name its socket with --socket',
        })
      }
      const { dialUnix } = await import('../rpc/dial.ts')
      const channel = dialUnix(endpoint.path)
      try {
        await report(io, options, channel, 'agent')
      } finally {
        channel.close()
      }
    })
}

async function report(
  io: Io,
  options: { readonly output: AdminOptions['output'] },
  channel: RpcChannel,
  who: string,
): Promise<void> {
  const { createClient } = await import('../rpc/client.ts')
  const { status } = await createClient('grpc.health.v1.Health', channel).unary(
    'Check',
    {},
    { timeoutMs },
  )
  printRecord(io, options.output, { status }, [['status', status]])
  if (status !== 'SERVING') {
    throw new CountersignError('unavailable', `the ${who} is not serving`, {
      reason: 'not-serving',
      fix: `its log, and /ready on its http_address, say why`,
    })
  }
}
