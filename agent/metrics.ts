import { collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'

const latencyBuckets = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5]

/** What the agent counts. Labels are bounded words of ours: never an ID, a selector or a uid. */
export interface AgentMetrics {
  readonly registry: Registry
  call(method: string, code: string, elapsedMs: number): void
}

/** Gauges are read when somebody asks: nothing is kept twice. */
export interface AgentGauges {
  entries(): number
  x509Svids(): number
  jwtSvids(): number
  streams(): number
  connections(): number
  attestorFailures(): number
  ready(): boolean
  svidExpirySeconds(): number
}

export function createAgentMetrics(gauges: AgentGauges): AgentMetrics {
  const registry = new Registry()
  const registers = [registry]
  collectDefaultMetrics({ register: registry, prefix: 'countersign_agent_' })
  const calls = new Histogram({
    name: 'countersign_agent_rpc_seconds',
    help: 'Time from the arrival of a call to its end, by RPC and gRPC status.',
    labelNames: ['method', 'code'],
    buckets: latencyBuckets,
    registers,
  })
  const gauge = (name: string, help: string, read: () => number): void => {
    new Gauge({
      name: `countersign_agent_${name}`,
      help,
      registers,
      collect() {
        this.set(read())
      },
    })
  }
  gauge('entries', 'Entries that this agent is authorised for.', gauges.entries)
  gauge('x509_svids', 'X.509-SVIDs that are held.', gauges.x509Svids)
  gauge('jwt_svids', 'JWT-SVIDs that are cached.', gauges.jwtSvids)
  gauge('streams', 'Open calls of workloads.', gauges.streams)
  gauge('connections', 'Open connections of workloads.', gauges.connections)
  gauge('attestor_failures', 'Failed attestor runs since the start.', gauges.attestorFailures)
  gauge('ready', 'Whether workloads are served.', () => (gauges.ready() ? 1 : 0))
  gauge('svid_expires_in_seconds', "Life left of the agent's own SVID.", gauges.svidExpirySeconds)
  return {
    registry,
    call: (method, code, elapsedMs) => calls.observe({ method, code }, elapsedMs / 1000),
  }
}
