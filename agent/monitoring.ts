import type { Log } from '../src/runtime/log.ts'
import type { AgentConfig } from './config.ts'
import type { AgentGauges, AgentMetrics } from './metrics.ts'
import type { AgentState } from './sync/state.ts'

/** `/live`, `/ready` and `/metrics`. */
export interface Monitoring {
  readonly call: AgentMetrics['call']
  serve(signal: AbortSignal): Promise<void>
}

/** What it takes is loaded where somebody can ask for it only: most agents have no such address, and get undefined. */
export async function openMonitoring(
  { httpAddress }: Pick<AgentConfig, 'httpAddress'>,
  state: AgentState,
  log: Log,
  gauges: AgentGauges,
): Promise<Monitoring | undefined> {
  if (httpAddress === undefined) return undefined
  const { createAgentMetrics } = await import('./metrics.ts')
  const { registry, call } = createAgentMetrics(gauges)
  return {
    call,
    async serve(signal) {
      const { serveMonitoring } = await import('../src/runtime/monitoring.ts')
      const notReady = async () => state.unavailable()?.reason
      await serveMonitoring(httpAddress, { notReady, metrics: registry }, log, signal)
    },
  }
}

export function sumOf(values: Iterable<number>): number {
  let total = 0
  for (const value of values) total += value
  return total
}
