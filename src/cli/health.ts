import { Command } from 'commander'
import { CountersignError } from '../errors.ts'
import type { RpcClient } from '../rpc/client.ts'
import type { HealthDefinition } from '../rpc/gen/grpc/health/v1/Health.ts'
import { systemClock } from '../runtime/clock.ts'
import { type AdminOptions, withAdminOptions, withServer } from './admin.ts'
import type { Io } from './io.ts'
import { printRecord } from './output.ts'
import { type WorkloadOptions, withWorkloadApi, withWorkloadOptions } from './workload.ts'

const timeoutMs = 5000
/** As long as `entry create --wait` has patience. */
const patienceMs = 30_000
const lookMs = 200

interface Waiting {
  readonly wait?: boolean
}

/** What it says of itself; `error` where it does not serve. */
interface Health {
  readonly status: string
  readonly error?: CountersignError
}

/** `countersign server health` */
export function serverHealth(io: Io): Command {
  return withWait(
    withAdminOptions(
      new Command('health').description(
        'whether the server can do its work; exit code 69 where not',
      ),
    ),
  )
    .addHelpText('after', '\nExample:\n  countersign server health --wait')
    .action(async (options: AdminOptions & Waiting) => {
      const look = (): Promise<Health> =>
        withServer(io, options, async (channel) => {
          const { createClient } = await import('../rpc/client.ts')
          const status = await statusOf(createClient('grpc.health.v1.Health', channel))
          if (status === 'SERVING') return { status }
          const fleet = createClient('countersign.fleet.v1.Fleet', channel)
          const { not_ready: reason } = await fleet.unary('ListStatus', {}, { timeoutMs })
          const error = new CountersignError('unavailable', 'the server is not serving', {
            reason: reason === '' ? 'not-serving' : reason,
            fix: 'its log says more',
          })
          return { status, error }
        })
      report(io, options, await looked(io, look, options))
    })
}

/** `countersign agent health` */
export function agentHealth(io: Io): Command {
  return withWait(
    withWorkloadOptions(
      new Command('health').description('whether the agent serves; exit code 69 where not'),
    ),
  )
    .addHelpText('after', '\nExample:\n  countersign agent health --wait')
    .action(async (options: WorkloadOptions & Waiting) => {
      const look = (): Promise<Health> =>
        withWorkloadApi(io, options, async (api) => {
          const status = await statusOf(api.health())
          if (status === 'SERVING') return { status }
          // A call that the agent refuses says why; health checks only know yes and no.
          const why = await api.rpc
            .unary(
              'ValidateJWTSVID',
              { audience: 'health', svid: 'health' },
              { metadata: api.metadata, timeoutMs },
            )
            .catch((error: unknown) => error)
          return { status, error: notServing(why) }
        })
      report(io, options, await looked(io, look, options))
    })
}

function withWait(command: Command): Command {
  return command.option('--wait', 'until it does, for half a minute at most')
}

/** Once, or until it serves or patience ends. Throws what `look` throws. */
function looked(io: Io, look: () => Promise<Health>, { wait = false }: Waiting): Promise<Health> {
  return wait ? io.progress('waiting until it serves', lookedUntil(io, look)) : look()
}

async function lookedUntil(io: Io, look: () => Promise<Health>): Promise<Health> {
  const endMs = systemClock.monotonicMs() + patienceMs
  for (;;) {
    try {
      const health = await look()
      if (health.error === undefined || systemClock.monotonicMs() >= endMs) return health
    } catch (error) {
      if (!mayPass(error) || systemClock.monotonicMs() >= endMs) throw error
    }
    await systemClock.sleep(lookMs, io.signal)
  }
}

/** It may be about to start, or too busy with that to answer; what is refused stays so. */
function mayPass(error: unknown): boolean {
  if (!(error instanceof CountersignError)) return false
  return error.code === 'unavailable' || error.code === 'deadline'
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

/** Throws why it does not serve, once that is told. */
function report(
  io: Io,
  options: { readonly output: AdminOptions['output'] },
  { status, error }: Health,
): void {
  const why: readonly [string, string][] = error === undefined ? [] : [['reason', error.reason]]
  printRecord(io, options.output, { status, reason: error?.reason ?? null }, [
    ['status', status],
    ...why,
  ])
  if (error !== undefined) throw error
}
