import { readFileSync } from 'node:fs'
import type { Registry } from 'prom-client'
import { expect, test } from 'vitest'
import { createAgentMetrics } from '../../agent/metrics.ts'
import { createBrokerMetrics, watchSinks } from '../../server/broker/metrics.ts'
import { createServerMetrics } from '../../server/metrics.ts'
import { createForwardAuthMetrics } from '../../src/forward-auth/metrics.ts'

const page = readFileSync(new URL('../../docs/monitoring.md', import.meta.url), 'utf8')
const none = new Map<string, number>()
const zero = () => 0

function namesIn(registry: Registry): readonly string[] {
  const names = registry.getMetricsAsArray().map(({ name }) => name)
  registry.clear()
  return names.filter((name) => !/_(process|nodejs)_/.test(name))
}

test('docs/monitoring.md lists each metric, with its labels, and no other', () => {
  const broker = createBrokerMetrics({ ages: () => [], underWay: () => [], feedAgeMs: zero })
  watchSinks(broker.registry, () => none)
  const server = createServerMetrics({
    ...{ entries: zero, refusedRows: zero, agents: zero, connectedAgents: zero, position: zero },
    ...{ caExpirySeconds: zero, auditCopyLag: zero, auditSinkLag: () => none },
    ...{ failingFederation: zero, staleFederation: zero },
  })
  const agent = createAgentMetrics({
    ...{ entries: zero, x509Svids: zero, jwtSvids: zero, streams: zero, connections: zero },
    ...{ attestorFailures: zero, ready: () => true, svidExpirySeconds: zero },
  })
  const forwardAuth = createForwardAuthMetrics(zero)
  const registries = [server, agent, broker, forwardAuth].map(({ registry }) => registry)
  const listed = [...page.matchAll(/^\| `(countersign_\w+)` \| .*\| .*\|$/gm)].map(
    ([, name]) => name,
  )
  expect(listed.toSorted()).toEqual(registries.flatMap(namesIn).toSorted())
  const told = [...page.matchAll(/countersign_(?:server|agent|broker|forward_auth)_\w+/g)]
  expect(told.map(([name]) => name).filter((name) => !listed.includes(name))).toEqual([])
})
