import { userInfo } from 'node:os'
import { CountersignError } from '../errors.ts'
import { createClient } from '../rpc/client.ts'
import type { RpcChannel } from '../rpc/dial.ts'
import type { Entry } from '../rpc/gen/spire/api/types/Entry.ts'
import { systemClock } from '../runtime/clock.ts'
import { SpiffeId, type TrustDomain } from '../spiffe-id/spiffe-id.ts'
import type { RegistryClient } from './entry-batch.ts'
import { wireId } from './entry-flags.ts'
import { idText } from './entry-view.ts'

const owner = 'countersign dev'
const lookMs = 20
const maxWaitMs = 20_000
const applyMs = 10_000

export interface User {
  readonly uid: number
  /** One segment of a SPIFFE ID's path. */
  readonly name: string
}

/** Who runs this; a uid without an account has a name too. */
export function currentUser(): User {
  const uid = process.getuid?.() ?? 0
  try {
    const name = userInfo().username.replace(/[^A-Za-z0-9_-]/g, '-')
    return { uid, name: name === '' ? `uid-${uid}` : name }
  } catch {
    return { uid, name: `uid-${uid}` }
  }
}

/**
 * The entry of the user who runs `dev`, under the agent that runs now. Where that agent had to join
 * anew, the entry moves on and the one before is evicted.
 */
export async function registerUser(
  channel: RpcChannel,
  trustDomain: TrustDomain,
  user: User,
  signal: AbortSignal,
): Promise<{ readonly id: string; readonly spiffeId: SpiffeId }> {
  const registry = createClient('countersign.registry.v1.Registry', channel)
  const { agentId, position } = await connectedAgent(channel, signal)
  const spiffeId = SpiffeId.of(trustDomain, `/user/${user.name}`)
  const wanted = {
    spiffe_id: wireId(spiffeId),
    parent_id: wireId(agentId),
    selectors: [{ type: 'unix', value: `uid:${user.uid}` }],
  }
  const { entries } = await registry.unary('List', {
    filter: { entry: { by_spiffe_id: wanted.spiffe_id }, owner },
  })
  const [mine, ...surplus] = entries.flatMap(({ entry }) => (entry === null ? [] : [entry]))
  if (surplus.length > 0) {
    await registry.unary('BatchDelete', { ids: surplus.map(({ id }) => id) })
  }
  const settled =
    mine !== undefined && idText(mine.parent_id) === agentId
      ? { id: mine.id, position }
      : await putEntry(registry, wanted, mine)
  const before = idText(mine?.parent_id)
  if (before !== '' && before !== agentId) await evict(channel, before)
  await registry.unary(
    'WaitApplied',
    { position: settled.position, entry_ids: [settled.id], timeout_ms: applyMs },
    { signal, timeoutMs: applyMs + 5000 },
  )
  return { id: settled.id, spiffeId }
}

type Wanted = Readonly<
  Record<'spiffe_id' | 'parent_id', ReturnType<typeof wireId>> & Pick<Entry, 'selectors'>
>

async function putEntry(
  registry: RegistryClient,
  wanted: Wanted,
  mine: Entry | undefined,
): Promise<{ readonly id: string; readonly position: string }> {
  const { results, position } =
    mine === undefined
      ? await registry.unary('BatchCreate', {
          entries: [{ entry: wanted, owner, purpose: 'you, on this machine' }],
        })
      : await registry.unary('BatchUpdate', {
          entries: [{ entry: { ...wanted, id: mine.id } }],
          input_mask: { entry: { parent_id: true, selectors: true } },
        })
  const [result] = results
  const id = result?.entry?.entry?.id ?? result?.existing_id ?? ''
  if (id !== '') return { id, position }
  throw new CountersignError('internal', result?.status?.message ?? 'no entry', {
    reason: 'dev-entry',
  })
}

/** An agent of an earlier run that will not come back. One that was banned stays so. */
async function evict(channel: RpcChannel, id: string): Promise<void> {
  const agents = createClient('spire.api.server.agent.v1.Agent', channel)
  try {
    const { banned } = await agents.unary('GetAgent', { id: wireId(id) })
    if (!banned) await agents.unary('DeleteAgent', { id: wireId(id) })
  } catch (error) {
    if (!(error instanceof CountersignError && error.code === 'not-found')) throw error
  }
}

/**
 * The agent beside us, which alone knows the port of this run, and where the change log stands. One
 * that serves from what it kept is ready before it is connected.
 */
async function connectedAgent(
  channel: RpcChannel,
  signal: AbortSignal,
): Promise<{ readonly agentId: string; readonly position: string }> {
  const fleet = createClient('countersign.fleet.v1.Fleet', channel)
  for (let waitedMs = 0; waitedMs < maxWaitMs; waitedMs += lookMs) {
    const { agents, position } = await fleet.unary('ListStatus', {}, { signal })
    const agentId = agents.find(({ connected }) => connected)?.agent_id
    if (agentId !== undefined) return { agentId, position }
    await systemClock.sleep(lookMs, signal)
  }
  throw new CountersignError('unavailable', 'the agent has not connected to the server', {
    reason: 'agent-away',
    fix: 'run with --verbose to see why',
  })
}
