import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'

/** What is counted of what proxies ask. Labels are services' names and stable words: never a path, an ID or an address. */
export interface ForwardAuthMetrics {
  readonly registry: Registry
  /** `service`: undefined where it is none of ours. `outcome`: `allowed`, or the reason of a refusal. */
  decision(service: string | undefined, outcome: string, elapsedMs: number): void
}

/** `feedAgeMs`: how old it is what is known to be revoked; undefined where that is not followed. */
export function createForwardAuthMetrics(feedAgeMs: () => number | undefined): ForwardAuthMetrics {
  const registry = new Registry()
  const registers = [registry]
  collectDefaultMetrics({ register: registry, prefix: 'countersign_forward_auth_' })
  const decisions = new Counter({
    name: 'countersign_forward_auth_decisions_total',
    help: 'Requests that proxies asked about, by service and outcome: allowed, or the reason of a refusal.',
    labelNames: ['service', 'outcome'],
    registers,
  })
  const seconds = new Histogram({
    name: 'countersign_forward_auth_decision_seconds',
    help: 'Time that a decision took.',
    labelNames: ['service'],
    buckets: [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1, 5],
    registers,
  })
  new Gauge({
    name: 'countersign_forward_auth_feed_age_seconds',
    help: 'Age of what is known to be revoked.',
    registers,
    collect() {
      const ageMs = feedAgeMs()
      if (ageMs !== undefined) this.set(ageMs / 1000)
    },
  })
  return {
    registry,
    decision(service = 'none', outcome, elapsedMs) {
      decisions.inc({ service, outcome })
      seconds.observe({ service }, elapsedMs / 1000)
    },
  }
}
