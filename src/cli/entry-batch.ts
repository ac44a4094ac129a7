import { CountersignError } from '../errors.ts'
import type { RpcClient } from '../rpc/client.ts'
import type { RpcChannel } from '../rpc/dial.ts'
import type { BatchResponse } from '../rpc/gen/countersign/registry/v1/BatchResponse.ts'
import type { RegisteredEntry$Input } from '../rpc/gen/countersign/registry/v1/RegisteredEntry.ts'
import type { RegistryDefinition } from '../rpc/gen/countersign/registry/v1/Registry.ts'
import type { _countersign_registry_v1_WaitAppliedResponse_AgentState as AgentState } from '../rpc/gen/countersign/registry/v1/WaitAppliedResponse.ts'
import { counted } from '../runtime/counted.ts'
import type { Io } from './io.ts'
import { printable } from './output.ts'

type Result = BatchResponse['results'][number]

export type RegistryClient = RpcClient<RegistryDefinition>

const entriesPerCall = 1000
const idsPerWait = 10_000
const batchTimeoutMs = 60_000
const waitMs = 30_000

export async function registryOf(channel: RpcChannel): Promise<RegistryClient> {
  const { createClient } = await import('../rpc/client.ts')
  return createClient('countersign.registry.v1.Registry', channel)
}

/** Creates the entries in calls of a bounded size, or in one where it is all or none. */
export async function createAll(
  io: Io,
  registry: RegistryClient,
  entries: readonly RegisteredEntry$Input[],
  atomic: boolean,
): Promise<{ readonly results: readonly Result[]; readonly position: string }> {
  const results: Result[] = []
  let position = '0'
  for (const part of partsOf(entries, atomic ? entries.length : entriesPerCall)) {
    const call = { signal: io.signal, timeoutMs: batchTimeoutMs }
    const answer = await io
      .progress(
        `creating ${counted(entries.length, 'entry', 'entries')}`,
        registry.unary('BatchCreate', { entries: part, atomic }, call),
      )
      .catch((error: unknown) => {
        if (results.length > 0) io.note(`the first ${results.length} had been dealt with by then`)
        throw error
      })
    results.push(...answer.results)
    if (answer.position !== '0') position = answer.position
  }
  return { results, position }
}

function partsOf<T>(items: readonly T[], size: number): T[][] {
  const parts: T[][] = []
  for (let at = 0; at < items.length; at += size) parts.push(items.slice(at, at + size))
  return parts
}

/** Tells what was taken but is probably not meant. */
export function noteWarnings(io: Io, results: readonly Result[]): void {
  for (const { warnings } of results) {
    for (const warning of warnings) io.note(`warning: ${printable(warning)}`)
  }
}

/** Says what was refused, each for itself; the error to end with, or undefined where nothing was. */
export function refusalOf(io: Io, results: readonly Result[]): CountersignError | undefined {
  const refused = results.flatMap((result, at) =>
    result.status?.code === 0 ? [] : [{ result, at }],
  )
  const first = refused[0]?.result
  if (first === undefined) return undefined
  if (results.length > 1) {
    for (const { result, at } of refused) {
      io.note(`entry ${at + 1}: ${printable(result.status?.message ?? '')} (${result.reason})`)
    }
    return new CountersignError('invalid', `${refused.length} of ${results.length} were refused`, {
      reason: 'entries-refused',
      fix: 'mend those above and give them again',
    })
  }
  return new CountersignError('invalid', first.status?.message ?? 'refused', {
    reason: first.reason,
    fix: fixOf(first),
  })
}

function fixOf({ fix, existing_id: id }: Result): string | undefined {
  if (id !== '') return `that is entry ${id}: countersign entry update --id ${id} …`
  return fix === '' ? undefined : fix
}

/** Waits until the connected agents that the entries are meant for hold them, and names those that are away. */
export async function waitUntilHeld(
  io: Io,
  registry: RegistryClient,
  position: string,
  entryIds: readonly string[],
): Promise<void> {
  const agents = await io.progress(
    'waiting for the agents',
    agentsHolding(io, registry, position, entryIds),
  )
  const late = agents.filter((agent) => agent.connected && !agent.applied)
  if (late.length > 0) {
    throw new CountersignError(
      'deadline',
      `not taken in 30 s by ${counted(late.length, 'agent')}`,
      {
        reason: 'agents-late',
        fix: 'see how far they are with: countersign agent list',
      },
    )
  }
  const away = agents.filter((agent) => !agent.connected)
  for (const agent of away) io.note(`warning: ${printable(agent.agent_id)} is not connected`)
  if (agents.length === 0) io.note('warning: no agent that has ever attested will get this')
  io.note(`held by ${agents.length - away.length} of ${agents.length} agents`)
}

async function agentsHolding(
  io: Io,
  registry: RegistryClient,
  position: string,
  entryIds: readonly string[],
): Promise<readonly AgentState[]> {
  const agents = new Map<string, AgentState>()
  for (const part of partsOf(entryIds, idsPerWait)) {
    const answer = await registry.unary(
      'WaitApplied',
      { position, entry_ids: part, timeout_ms: waitMs },
      // The server answers by then: what is missing is for it to say.
      { signal: io.signal, timeoutMs: waitMs + 5000 },
    )
    for (const agent of answer.agents) agents.set(agent.agent_id, agent)
  }
  return [...agents.values()]
}
