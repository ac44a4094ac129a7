import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'

const latencyBuckets = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5]

/** What the server counts. Labels are bounded words of ours, or of the configuration: never a SPIFFE ID, a selector or an address. */
export interface ServerMetrics {
  readonly registry: Registry
  call(method: string, code: string, elapsedMs: number): void
  issued(kind: 'x509' | 'jwt' | 'oauth', count: number, elapsedMs: number): void
  /** A bundle of another trust domain was asked for. */
  fetched(outcome: string): void
  /** A service was tried with a canary; `alarmed`: it is late, or could not be tried. */
  canary(
    resource: string,
    flight: { readonly refusedAfterMs: number } | { readonly failure: string },
    alarmed: boolean,
  ): void
  /** Of those who serve a resource and read the feed of revocations; `unacknowledged`: facts that the last of them lacks. */
  feedReaders(resource: string, readers: number, unacknowledged: number, alarmed: boolean): void
  /** From a fact until a reader had applied it, as it acknowledges. */
  feedLag(resource: string, lagMs: number): void
  /** Events for receivers outside, by stream and what became of them. */
  events(stream: string, outcome: 'delivered' | 'refused' | 'dropped', count: number): void
  eventsWaiting(stream: string, count: number): void
  rotated(
    kind: 'x509' | 'jwt' | 'jwt-rs256' | 'oauth' | 'feed' | 'events' | 'trail',
    step: string,
  ): void
}

/** Gauges are read when somebody asks: nothing is kept twice. */
export interface ServerGauges {
  entries(): number
  refusedRows(): number
  agents(): number
  connectedAgents(): number
  position(): number
  caExpirySeconds(): number
  auditCopyLag(): number
  /** By the name of the sink. */
  auditSinkLag(): ReadonlyMap<string, number>
  failingFederation(): number
  staleFederation(): number
}

export function createServerMetrics(gauges: ServerGauges): ServerMetrics {
  const registry = new Registry()
  const registers = [registry]
  collectDefaultMetrics({ register: registry, prefix: 'countersign_server_' })
  const calls = new Histogram({
    name: 'countersign_server_rpc_seconds',
    help: 'Time from the arrival of a call to its end, by RPC and gRPC status.',
    labelNames: ['method', 'code'],
    buckets: latencyBuckets,
    registers,
  })
  const signed = new Counter({
    name: 'countersign_server_svids_issued_total',
    help: 'SVIDs and access tokens that left the server, by kind.',
    labelNames: ['kind'],
    registers,
  })
  const signing = new Histogram({
    name: 'countersign_server_issue_seconds',
    help: 'Time that a batch took to be signed, linted and put on record, by kind.',
    labelNames: ['kind'],
    buckets: latencyBuckets,
    registers,
  })
  const rotations = new Counter({
    name: 'countersign_server_authority_steps_total',
    help: 'Steps in the life of authorities, by kind and step.',
    labelNames: ['kind', 'step'],
    registers,
  })
  const fetches = new Counter({
    name: 'countersign_server_federation_fetches_total',
    help: 'Fetches of other trust domains’ bundles: changed, unchanged, unavailable, or refused.',
    labelNames: ['outcome'],
    registers,
  })
  const refusals = new Histogram({
    name: 'countersign_server_canary_refusal_seconds',
    help: 'Time from the revocation of a canary until its service refused it, by resource.',
    labelNames: ['resource'],
    buckets: latencyBuckets,
    registers,
  })
  const failures = new Counter({
    name: 'countersign_server_canary_failures_total',
    help: 'Canaries whose time to refusal is not known, by resource and reason.',
    labelNames: ['resource', 'reason'],
    registers,
  })
  const alarms = new Gauge({
    name: 'countersign_server_canary_alarm',
    help: 'Whether the last canary of a resource was refused too late or could not be tried: 1 or 0.',
    labelNames: ['resource'],
    registers,
  })
  const lags = new Histogram({
    name: 'countersign_server_feed_lag_seconds',
    help: 'Time from a revocation until a reader of the feed had applied it, by the resource that it serves.',
    labelNames: ['resource'],
    buckets: latencyBuckets,
    registers,
  })
  const ofResource = (name: string, help: string): Gauge<'resource'> =>
    new Gauge({
      name: `countersign_server_feed_${name}`,
      help,
      labelNames: ['resource'],
      registers,
    })
  const readersOf = ofResource('readers', 'Connections to the feed of those who serve a resource.')
  const lackedBy = ofResource(
    'unacknowledged',
    'Revocations that the last of the readers of a resource has not acknowledged.',
  )
  const lateFor = ofResource(
    'alarm',
    'Whether a reader of a resource does not acknowledge what it was told: 1 or 0.',
  )
  const told = new Counter({
    name: 'countersign_server_ssf_events_total',
    help: 'Events for receivers outside, by stream and outcome: delivered, refused, or dropped.',
    labelNames: ['stream', 'outcome'],
    registers,
  })
  const waiting = new Gauge({
    name: 'countersign_server_ssf_waiting',
    help: 'Events that a receiver outside does not have yet, by stream.',
    labelNames: ['stream'],
    registers,
  })
  const gauge = (name: string, help: string, read: () => number): void => {
    new Gauge({
      name: `countersign_server_${name}`,
      help,
      registers,
      collect() {
        this.set(read())
      },
    })
  }
  gauge('entries', 'Registration entries in the index.', gauges.entries)
  gauge('refused_rows', 'Rows of the database that somebody else wrote.', gauges.refusedRows)
  gauge('agents', 'Attested agents.', gauges.agents)
  gauge('connected_agents', 'Agents that follow the change log now.', gauges.connectedAgents)
  gauge('change_log_position', 'Number of the last change that was applied.', gauges.position)
  gauge('x509_ca_expires_in_seconds', 'Life left of the active X.509 CA.', gauges.caExpirySeconds)
  gauge('audit_copy_lag', 'Audit records that are not in the store yet.', gauges.auditCopyLag)
  new Gauge({
    name: 'countersign_server_audit_sink_lag',
    help: 'Audit records that a sink does not have yet, by sink.',
    labelNames: ['sink'],
    registers,
    collect() {
      for (const [sink, lag] of gauges.auditSinkLag()) this.set({ sink }, lag)
    },
  })
  gauge(
    'federation_failing',
    'Trust domains whose bundle could not be fetched the last time.',
    gauges.failingFederation,
  )
  gauge(
    'federation_stale',
    'Trust domains whose bundle was neither fetched nor set for longer than max_staleness.',
    gauges.staleFederation,
  )
  return {
    registry,
    call: (method, code, elapsedMs) => calls.observe({ method, code }, elapsedMs / 1000),
    issued: (kind, count, elapsedMs) => {
      signed.inc({ kind }, count)
      signing.observe({ kind }, elapsedMs / 1000)
    },
    fetched: (outcome) => fetches.inc({ outcome }),
    canary: (resource, flight, alarmed) => {
      if ('failure' in flight) failures.inc({ resource, reason: flight.failure })
      else refusals.observe({ resource }, flight.refusedAfterMs / 1000)
      alarms.set({ resource }, Number(alarmed))
    },
    feedReaders: (resource, readers, unacknowledged, alarmed) => {
      readersOf.set({ resource }, readers)
      lackedBy.set({ resource }, unacknowledged)
      lateFor.set({ resource }, Number(alarmed))
    },
    feedLag: (resource, lagMs) => lags.observe({ resource }, lagMs / 1000),
    events: (stream, outcome, count) => told.inc({ stream, outcome }, count),
    eventsWaiting: (stream, count) => waiting.set({ stream }, count),
    rotated: (kind, step) => rotations.inc({ kind, step }),
  }
}
