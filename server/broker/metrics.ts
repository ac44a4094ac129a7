import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'

/** What a broker counts. Labels are integrations' ids and stable words: never a path, an ID or an address. */
export interface BrokerMetrics {
  readonly registry: Registry
  /** `outcome`: the class of the vendor's status, as `2xx`, or why there was no answer of its. */
  call(integration: string | undefined, outcome: string, elapsedMs: number): void
  scrubbed(integration: string, times: number): void
  /** A call was sent once more, with another key. */
  fellBack(integration: string): void
}

export interface BrokerGauges {
  /** Integration and the age of its credential, in seconds. */
  ages(): Iterable<readonly [integration: string, seconds: number]>
  underWay(): Iterable<readonly [integration: string, calls: number]>
  /** How old it is what is known to be revoked; undefined where that is not followed. */
  feedAgeMs(): number | undefined
}

export function createBrokerMetrics(gauges: BrokerGauges): BrokerMetrics {
  const registry = new Registry()
  const registers = [registry]
  collectDefaultMetrics({ register: registry, prefix: 'countersign_broker_' })
  const calls = new Counter({
    name: 'countersign_broker_calls_total',
    help: 'Calls by integration and outcome: 2xx to 5xx of the vendor, or the reason of a refusal.',
    labelNames: ['integration', 'outcome'],
    registers,
  })
  const seconds = new Histogram({
    name: 'countersign_broker_call_seconds',
    help: 'Time from the head of a request to the end of its answer, the vendor’s share included.',
    labelNames: ['integration'],
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60],
    registers,
  })
  const scrubbed = new Counter({
    name: 'countersign_broker_key_echoes_total',
    help: 'Times that a vendor’s answer held its key, which was taken out.',
    labelNames: ['integration'],
    registers,
  })
  const fallbacks = new Counter({
    name: 'countersign_broker_key_fallbacks_total',
    help: 'Calls whose key the vendor refused, and that were sent once more with another.',
    labelNames: ['integration'],
    registers,
  })
  const gauge = (
    name: string,
    help: string,
    read: () => Iterable<readonly [integration: string, value: number]>,
  ): void => {
    new Gauge({
      name: `countersign_broker_${name}`,
      help,
      labelNames: ['integration'],
      registers,
      collect() {
        this.reset()
        for (const [integration, value] of read()) this.set({ integration }, value)
      },
    })
  }
  gauge('credential_age_seconds', 'Age of the vendor’s key.', gauges.ages)
  gauge('calls_under_way', 'Calls under way.', gauges.underWay)
  new Gauge({
    name: 'countersign_broker_feed_age_seconds',
    help: 'Age of what is known to be revoked.',
    registers,
    collect() {
      const ageMs = gauges.feedAgeMs()
      if (ageMs !== undefined) this.set(ageMs / 1000)
    },
  })
  return {
    registry,
    call(integration = 'none', outcome, elapsedMs) {
      calls.inc({ integration, outcome })
      seconds.observe({ integration }, elapsedMs / 1000)
    },
    scrubbed: (integration, times) => scrubbed.inc({ integration }, times),
    fellBack: (integration) => fallbacks.inc({ integration }),
  }
}

/** Records of the trail that each of its sinks does not have yet, read when somebody asks. */
export function watchSinks(registry: Registry, lag: () => ReadonlyMap<string, number>): void {
  new Gauge({
    name: 'countersign_broker_audit_sink_lag',
    help: 'Audit records that a sink does not have yet, by sink.',
    labelNames: ['sink'],
    registers: [registry],
    collect() {
      for (const [sink, records] of lag()) this.set({ sink }, records)
    },
  })
}
