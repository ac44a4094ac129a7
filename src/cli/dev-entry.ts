import type { UserInfo } from 'node:os'
import { CountersignError } from '../errors.ts'
import { createClient } from '../rpc/client.ts'
import type { RpcChannel } from '../rpc/dial.ts'
import { systemClock } from '../runtime/clock.ts'
import { SpiffeId, type TrustDomain } from '../spiffe-id/spiffe-id.ts'
import { idText } from './entry-view.ts'

const owner = 'countersign dev'
const lookMs = 20
const maxWaitMs = 20_000

/**
 * The entry of the user who runs `dev`, under the agent that runs now. Agents of earlier runs that
 * had to join anew are evicted, and the entry moves on.
 */
export async function registerUser(
  channel: RpcChannel,
  trustDomain: TrustDomain,
  user: Pick<UserInfo<string>, 'uid' | 'username'>,
): Promise<{ readonly id: string; readonly spiffeId: SpiffeId }> {
  const agents = createClient('spire.api.server.agent.v1.Agent', channel)
  const registry = createClient('countersign.registry.v1.Registry', channel)
  const connected = await connectedAgent(channel)
  for (const { id } of (await agents.unary('ListAgents', {})).agents) {
    if (id !== null && idText(id) !== connected) await agents.unary('DeleteAgent', { id })
  }
  const name = user.username.replace(/[^A-Za-z0-9._-]/g, '-') || `uid-${user.uid}`
  const spiffeId = SpiffeId.of(trustDomain, `/user/${name}`)
  const parent = SpiffeId.parse(connected)
  const wanted = {
    spiffe_id: { trust_domain: trustDomain, path: SpiffeId.pathOf(spiffeId) },
    parent_id: { trust_domain: trustDomain, path: SpiffeId.pathOf(parent) },
    selectors: [{ type: 'unix', value: `uid:${user.uid}` }],
  }
  const { entries } = await registry.unary('List', {
    filter: { entry: { by_spiffe_id: wanted.spiffe_id }, owner },
  })
  const [mine, ...surplus] = entries.flatMap(({ entry }) => (entry === null ? [] : [entry]))
  if (surplus.length > 0) {
    await registry.unary('BatchDelete', { ids: surplus.map(({ id }) => id) })
  }
  const answer =
    mine === undefined
      ? await registry.unary('BatchCreate', {
          entries: [{ entry: wanted, owner, purpose: 'you, on this machine' }],
        })
      : await registry.unary('BatchUpdate', {
          entries: [{ entry: { ...wanted, id: mine.id } }],
          input_mask: { entry: { parent_id: true, selectors: true } },
        })
  const [result] = answer.results
  const id = result?.entry?.entry?.id ?? result?.existing_id ?? ''
  if (id === '') {
    throw new CountersignError('internal', result?.status?.message ?? 'no entry', {
      reason: 'dev-entry',
    })
  }
  await registry.unary('WaitApplied', {
    position: answer.position,
    entry_ids: [id],
    timeout_ms: 5000,
  })
  return { id, spiffeId }
}

/** An agent that serves from what it kept is ready before it is connected. */
async function connectedAgent(channel: RpcChannel): Promise<string> {
  const fleet = createClient('countersign.fleet.v1.Fleet', channel)
  for (let waitedMs = 0; waitedMs < maxWaitMs; waitedMs += lookMs) {
    const { agents } = await fleet.unary('ListStatus', {})
    const id = agents[0]?.agent_id
    if (id !== undefined) return id
    await systemClock.sleep(lookMs)
  }
  throw new CountersignError('unavailable', 'the agent has not connected to the server', {
    reason: 'agent-away',
    fix: 'run with --verbose to see why',
  })
}
