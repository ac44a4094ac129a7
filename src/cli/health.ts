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
        const status = await statusOf(createClient('grpc.health.v1.Health', channel))
        if (status === 'SERVING') return report(io, options, status, '')
        const fleet = createClient('countersign.fleet.v1.Fleet', channel)
        const { not_ready: reason } = await fleet.unary('ListStatus', {}, { timeoutMs })
        report(io, options, status, reason)
        throw new CountersignError('unavailable', 'the server is not serving', {
          reason: reason === '' ? 'not-serving' : reason,
          fix: 'its log says more',
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
        const status = await statusOf(api.health())
        if (status === 'SERVING') return report(io, options, status, '')
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
        const error = notServing(why)
        report(io, options, status, error.reason)
        throw error
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

async function statusOf(health: RpcClient<HealthDefinition>): Promise<string> {
  return (await health.unary('Check', {}, { timeoutMs })).status
}

/** `reason`: why it does not serve, a stable word; empty where it does. */
function report(
  io: Io,
  options: { readonly output: AdminOptions['output'] },
  status: string,
  reason: string,
): void {
  const why: readonly [string, string][] = reason === '' ? [] : [['reason', reason]]
  const json = { status, reason: reason === '' ? null : reason }
  printRecord(io, options.output, json, [['status', status], ...why])
}
