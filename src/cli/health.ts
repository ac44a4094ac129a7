import { Command } from 'commander'
import { CountersignError } from '../errors.ts'
import type { RpcClient } from '../rpc/client.ts'
import type { HealthDefinition } from '../rpc/gen/grpc/health/v1/Health.ts'
import { type AdminOptions, withAdminOptions, withServer } from './admin.ts'
import type { Io } from './io.ts'
import { printRecord } from './output.ts'
import { type WorkloadOptions, withWorkloadApi, withWorkloadOptions } from './workload.ts'

const timeoutMs = 5000

/** `countersign server health` */
export function serverHealth(io: Io): Command {
  return withAdminOptions(
    new Command('health').description('whether the server can do its work; exit code 69 where not'),
  )
    .addHelpText('after', '\nExample:\n  countersign server health')
    .action(async (options: AdminOptions) => {
      await withServer(io, options, async (channel) => {
        const { createClient } = await import('../rpc/client.ts')
        if (await report(io, options, createClient('grpc.health.v1.Health', channel))) return
        throw new CountersignError('unavailable', 'the server is not serving', {
          reason: 'not-serving',
          fix: 'its log, and /ready on its http_address, say why',
        })
      })
    })
}

/** `countersign agent health` */
export function agentHealth(io: Io): Command {
  return withWorkloadOptions(
    new Command('health').description('whether the agent serves; exit code 69 where not'),
  )
    .addHelpText('after', '\nExample:\n  countersign agent health')
    .action(async (options: WorkloadOptions) => {
      await withWorkloadApi(io, options, async (api) => {
        if (await report(io, options, api.health())) return
        let why: unknown
        try {
          // A call that the agent refuses says why; health checks only know yes and no.
          await api.rpc.unary(
            'ValidateJWTSVID',
            { audience: 'health', svid: 'health' },
            { metadata: api.metadata, timeoutMs },
          )
        } catch (error) {
          why = error
        }
        throw notServing(why)
      })
    })
}

function notServing(why: unknown): CountersignError {
  const told = why instanceof CountersignError && why.code === 'unavailable' ? why : undefined
  return new CountersignError('unavailable', told?.message ?? 'the agent is not serving', {
    reason: told?.reason ?? 'not-serving',
    fix: told?.fix ?? 'its log says why',
    cause: why,
  })
}

/** True where it serves. */
async function report(
  io: Io,
  options: { readonly output: AdminOptions['output'] },
  health: RpcClient<HealthDefinition>,
): Promise<boolean> {
  const { status } = await health.unary('Check', {}, { timeoutMs })
  printRecord(io, options.output, { status }, [['status', status]])
  return status === 'SERVING'
}
