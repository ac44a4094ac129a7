import { CountersignError } from '../../src/errors.ts'
import { selectorFromWire, selectorToWire, spiffeIdToWire } from '../../src/rpc/convert.ts'
import type { CountAgentsRequest } from '../../src/rpc/gen/spire/api/server/agent/v1/CountAgentsRequest.ts'
import type { ListAgentsRequest } from '../../src/rpc/gen/spire/api/server/agent/v1/ListAgentsRequest.ts'
import type { ListAgentsResponse$Input } from '../../src/rpc/gen/spire/api/server/agent/v1/ListAgentsResponse.ts'
import type { Agent$Input } from '../../src/rpc/gen/spire/api/types/Agent.ts'
import type { AgentMask } from '../../src/rpc/gen/spire/api/types/AgentMask.ts'
import { openCursor, pageSizeOf, sealCursor } from '../entry/cursor.ts'
import { matchesSelectors } from '../entry/filter.ts'
import type { AgentRecord } from '../store/records.ts'
import { setMatchFromWire } from './entry-filter.ts'

type Filter = CountAgentsRequest['filter']

/** Page tokens of agents and of entries are sealed apart. */
const cursorScope = { id: 'agents' } as const

/** One page, by ID; it goes on after the last one of the page before. */
export function pageOfAgents(
  agents: readonly AgentRecord[],
  request: ListAgentsRequest,
  cursorKey: Buffer,
): ListAgentsResponse$Input {
  const size = pageSizeOf(request.page_size)
  const after = openCursor(cursorKey, cursorScope, request.page_token)
  const rest = agents
    .filter(matchesFilter(request.filter))
    .filter((agent) => after === undefined || agent.id > after)
    .sort((a, b) => (a.id < b.id ? -1 : 1))
  const page = rest.slice(0, size)
  const last = rest.length > size ? page.at(-1) : undefined
  return {
    agents: page.map((agent) => agentToWire(agent, request.output_mask)),
    next_page_token: last === undefined ? '' : sealCursor(cursorKey, cursorScope, last.id),
  }
}

export function matchesFilter(filter: Filter): (agent: AgentRecord) => boolean {
  if (filter === null) return () => true
  const { by_attestation_type, by_banned, by_can_reattest, by_expires_before } = filter
  const before = by_expires_before === '' ? undefined : parseInstant(by_expires_before)
  const selectors = filter.by_selector_match
  const passes =
    selectors === null
      ? () => true
      : matchesSelectors(
          selectors.selectors.map(selectorFromWire),
          setMatchFromWire(selectors.match),
        )
  return (agent) =>
    (by_attestation_type === '' || agent.attestationType === by_attestation_type) &&
    (by_banned === null || agent.banned === by_banned.value) &&
    (by_can_reattest === null || agent.canReattest === by_can_reattest.value) &&
    (before === undefined || agent.expiresAt < before) &&
    passes(agent.selectors)
}

/** `2026-01-31 12:00:00 -0500 -05`: what SPIRE's tools send. */
const toolTime = /^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d) ([+-]\d\d)(\d\d)(?: \S{1,8})?$/

function parseInstant(text: string): Date {
  const instant = new Date(text.slice(0, 64).replace(toolTime, '$1T$2$3:$4'))
  if (Number.isNaN(instant.getTime())) {
    throw new CountersignError('invalid', 'by_expires_before is not a time', {
      reason: 'agent-filter',
      fix: 'write it as 2026-01-31T12:00:00Z',
    })
  }
  return instant
}

/** Without a mask all fields; the ID always. */
export function agentToWire(agent: AgentRecord, mask: AgentMask | null): Agent$Input {
  const shown = (field: keyof AgentMask): boolean => mask === null || mask[field]
  return {
    id: spiffeIdToWire(agent.id),
    ...(shown('attestation_type') && { attestation_type: agent.attestationType }),
    ...(shown('x509svid_serial_number') && { x509svid_serial_number: agent.serial }),
    ...(shown('x509svid_expires_at') && {
      x509svid_expires_at: Math.floor(agent.expiresAt.getTime() / 1000),
    }),
    ...(shown('selectors') && { selectors: agent.selectors.map(selectorToWire) }),
    ...(shown('banned') && { banned: agent.banned }),
    ...(shown('can_reattest') && { can_reattest: agent.canReattest }),
    ...(shown('agent_version') && { agent_version: agent.version }),
  }
}
