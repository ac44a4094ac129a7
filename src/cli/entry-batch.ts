import { CountersignError } from '../errors.ts'
import { createClient, type RpcClient } from '../rpc/client.ts'
import type { RpcChannel } from '../rpc/dial.ts'
import type { BatchResponse } from '../rpc/gen/countersign/registry/v1/BatchResponse.ts'
import type { RegistryDefinition } from '../rpc/gen/countersign/registry/v1/Registry.ts'
import type { Io } from './io.ts'

type Result = BatchResponse['results'][number]

export type RegistryClient = RpcClient<RegistryDefinition>

export async function registryOf(channel: RpcChannel): Promise<RegistryClient> {
  return createClient('countersign.registry.v1.Registry', channel)
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
      io.note(`entry ${at + 1}: ${result.status?.message} (${result.reason})`)
    }
    return new CountersignError('invalid', `${refused.length} of ${results.length} were refused`, {
      reason: 'entries-refused',
      fix: 'mend those above and give them again',
    })
  }
  return new CountersignError('invalid', first.status?.message ?? 'refused', {
    reason: first.reason,
    fix:
      first.existing_id === ''
        ? undefined
        : `that is entry ${first.existing_id}: countersign entry update --id ${first.existing_id} …`,
  })
}

/** The server answers then, whoever is late; the call itself has longer. */
const waitMs = 30_000

/** Waits until the connected agents that the entries are meant for hold them, and names those that are away. */
export async function waitUntilHeld(
  io: Io,
  registry: RegistryClient,
  position: string,
  entryIds: readonly string[],
): Promise<void> {
  const { agents } = await io.progress(
    'waiting for the agents',
    registry.unary(
      'WaitApplied',
      { position, entry_ids: [...entryIds], timeout_ms: waitMs },
      { timeoutMs: waitMs + 10_000 },
    ),
  )
  const late = agents.filter((agent) => agent.connected && !agent.applied)
  if (late.length > 0) {
    throw new CountersignError('deadline', `${late.length} agents have not taken it in 30 s`, {
      reason: 'agents-late',
      fix: 'see how far they are with: countersign agent list',
    })
  }
  const away = agents.filter((agent) => !agent.connected)
  for (const agent of away) io.note(`warning: ${agent.agent_id} is not connected`)
  if (agents.length === 0) io.note('warning: no agent that has ever attested will get this')
  io.note(`held by ${agents.length - away.length} of ${agents.length} agents`)
}
