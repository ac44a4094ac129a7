import { Command } from 'commander'
import { formatSelector } from '../entry/selector.ts'
import type { RpcChannel } from '../rpc/dial.ts'
import type { Agent } from '../rpc/gen/spire/api/types/Agent.ts'
import { systemClock } from '../runtime/clock.ts'
import { SpiffeId } from '../spiffe-id/spiffe-id.ts'
import { type AdminOptions, withAdminOptions, withServer } from './admin.ts'
import { wireId } from './entry-flags.ts'
import { dateOf, idText, instant } from './entry-view.ts'
import { everyPage } from './every-page.ts'
import type { Io } from './io.ts'
import { printJson, printRecord, printRows, relativeTime } from './output.ts'
import { formed } from './value-form.ts'

/** An agent as `-o json` prints it. `lagMs` is null where it is not connected. */
interface AgentJson {
  readonly id: string
  readonly attestationType: string
  readonly banned: boolean
  readonly canReattest: boolean
  readonly connected: boolean
  /** Another process shows the same SVID: a data folder was copied. */
  readonly contended: boolean
  readonly lagMs: number | null
  readonly appliedPosition: number | null
  readonly address: string | null
  readonly version: string
  readonly serial: string
  readonly expiresAt: string | null
  readonly selectors: readonly string[]
}

interface OneAgent extends AdminOptions {
  readonly id: string
}

/** `countersign agent list` */
export function agentList(io: Io): Command {
  return withAdminOptions(new Command('list').description('list agents, and how far each is'))
    .addHelpText('after', '\nExample:\n  countersign agent list')
    .action(async (options: AdminOptions) => {
      const now = systemClock.now()
      const agents = await withServer(io, options, (channel) =>
        io.progress('listing', listAgents(channel)),
      )
      printRows(
        io,
        options.output,
        agents,
        [
          { title: 'ID', text: (agent) => agent.id },
          { title: 'STATE', text: stateOf },
          { title: 'LAG', text: (agent) => (agent.lagMs === null ? '-' : `${agent.lagMs} ms`) },
          { title: 'VERSION', text: (agent) => agent.version || '-' },
          {
            title: 'SVID EXPIRES',
            text: (agent) => relativeTime(dateOf(agent.expiresAt), now),
          },
        ],
        (agent) => agent,
      )
    })
}

/** `countersign agent show` */
export function agentShow(io: Io): Command {
  return withAgentId(new Command('show').description('show one agent'), 'agent show').action(
    async (options: OneAgent) => {
      await withServer(io, options, async (channel) => {
        const { createClient } = await import('../rpc/client.ts')
        const agent = await createClient('spire.api.server.agent.v1.Agent', channel).unary(
          'GetAgent',
          { id: wireId(options.id) },
        )
        const shown = (await withStatus(channel, [agent]))[0]
        if (shown === undefined) return
        printRecord(io, options.output, shown, [
          ['id', shown.id],
          ['state', stateOf(shown)],
          ['attested by', shown.attestationType],
          ['can re-attest', shown.canReattest ? 'yes' : 'no'],
          ['address', shown.address ?? '-'],
          ['lag', shown.lagMs === null ? '-' : `${shown.lagMs} ms`],
          ['version', shown.version || '-'],
          ['serial', shown.serial || '-'],
          ['svid expires', shown.expiresAt ?? '-'],
          ['selectors', shown.selectors.join(' ') || '-'],
        ])
      })
    },
  )
}

/** `countersign agent ban` */
export function agentBan(io: Io): Command {
  return withAgentId(
    new Command('ban').description('bar an agent: its streams are cut at once'),
    'agent ban',
  ).action((options: OneAgent) => change(io, options, 'BanAgent', 'banned'))
}

/** `countersign agent evict` */
export function agentEvict(io: Io): Command {
  return withAgentId(
    new Command('evict').description('forget an agent, so that it may attest again'),
    'agent evict',
  ).action((options: OneAgent) => change(io, options, 'DeleteAgent', 'evicted'))
}

function withAgentId(command: Command, verb: string): Command {
  return withAdminOptions(
    command.requiredOption(
      '--id <spiffe id>',
      'the agent, as "agent list" shows it',
      formed(SpiffeId.parse),
    ),
  ).addHelpText(
    'after',
    `\nExample:\n  countersign ${verb} --id spiffe://example.org/spire/agent/join_token/4f1c…`,
  )
}

async function change(
  io: Io,
  options: OneAgent,
  rpc: 'BanAgent' | 'DeleteAgent',
  done: string,
): Promise<void> {
  await withServer(io, options, async (channel) => {
    const { createClient } = await import('../rpc/client.ts')
    await createClient('spire.api.server.agent.v1.Agent', channel).unary(rpc, {
      id: wireId(options.id),
    })
  })
  if (options.output === 'json') printJson(io, { [done]: options.id })
  else io.write(`${done} ${options.id}\n`)
}

async function listAgents(channel: RpcChannel): Promise<AgentJson[]> {
  const { createClient } = await import('../rpc/client.ts')
  const client = createClient('spire.api.server.agent.v1.Agent', channel)
  const pages = await everyPage((page_token) =>
    client.unary('ListAgents', { page_size: 1000, page_token }),
  )
  const agents = pages.flatMap((page) => page.agents)
  return withStatus(channel, agents)
}

async function withStatus(channel: RpcChannel, agents: readonly Agent[]): Promise<AgentJson[]> {
  const { createClient } = await import('../rpc/client.ts')
  const fleet = await createClient('countersign.fleet.v1.Fleet', channel).unary('ListStatus', {})
  const statusOf = new Map(fleet.agents.map((status) => [status.agent_id, status]))
  return agents.map((agent) => {
    const id = idText(agent.id)
    const status = statusOf.get(id)
    const connected = status?.connected === true
    return {
      id,
      attestationType: agent.attestation_type,
      banned: agent.banned,
      canReattest: agent.can_reattest,
      connected,
      contended: status?.contended === true,
      lagMs: connected ? Number(status.lag_ms) : null,
      appliedPosition: connected ? Number(status.applied) : null,
      address: connected ? status.address : null,
      version: agent.agent_version,
      serial: agent.x509svid_serial_number,
      expiresAt: instant(agent.x509svid_expires_at),
      selectors: agent.selectors.map(formatSelector),
    }
  })
}

function stateOf(agent: AgentJson): string {
  if (agent.banned) return 'banned'
  if (agent.contended) return 'connected, and a copy is kept out'
  return agent.connected ? 'connected' : 'away'
}
