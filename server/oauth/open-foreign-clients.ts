import { isDeepStrictEqual } from 'node:util'
import type { AuditEvent, AuditKind } from '../../src/audit/event.ts'
import type { Entry } from '../../src/entry/entry.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import { parseConfig } from '../../src/runtime/config-file.ts'
import { createListeners } from '../../src/runtime/listeners.ts'
import type { Log } from '../../src/runtime/log.ts'
import type { SpiffeId, TrustDomain } from '../../src/spiffe-id/spiffe-id.ts'
import { type FollowedFile, openFollowedFile } from './followed-file.ts'
import { foreignClientFileSchema, readForeignClients } from './foreign-clients.ts'
import type { OauthSettings } from './settings.ts'

/** Workloads of other trust domains that may ask for tokens now, and what is said of each in place of an entry. */
export interface ForeignClients {
  get(id: SpiffeId): Entry | undefined
  ofOwner(owner: string): readonly Entry[]
  /** Calls back when others have come into force; the result ends that. */
  onChange(listener: () => void): () => void
}

export interface OpenedForeignClients {
  readonly clients: ForeignClients
  /** To be run where there is one. */
  readonly file: FollowedFile | undefined
}

/** Throws as `openFollowedFile`, `parseConfig` and `readForeignClients`. */
export async function openForeignClients(
  settings: Pick<OauthSettings, 'foreignClients' | 'foreignClientsFile'>,
  deps: {
    readonly trustDomain: TrustDomain
    readonly trail: { append(events: readonly AuditEvent[]): Promise<unknown> }
    readonly clock: Clock
    readonly log: Log
  },
): Promise<OpenedForeignClients> {
  const { foreignClients, foreignClientsFile: path } = settings
  const listeners = createListeners()
  /** undefined: those of the file were not read yet. */
  let inForce = path === undefined ? foreignClients : undefined
  const clients: ForeignClients = {
    get: (id) => inForce?.get(id),
    ofOwner: (owner) => [...(inForce?.values() ?? [])].filter((one) => one.owner === owner),
    onChange: listeners.add,
  }
  if (path === undefined) return { clients, file: undefined }
  const { trustDomain, trail, clock, log } = deps
  const file = await openFollowedFile(path, {
    ...{ what: 'foreign clients', clock, log },
    recordedAs: { loaded: 'clients.loaded', refused: 'clients.refused' },
    read: (text) => {
      const { foreign_clients: said } = parseConfig(text, path, foreignClientFileSchema)
      return readForeignClients(said, trustDomain)
    },
    count: ({ size }) => ({ clients: size }),
    changes: (found) => (inForce === undefined ? [] : changesOf(inForce, found, clock.now())),
    use(found) {
      inForce = found
      listeners.tell()
    },
    append: (events) => trail.append(events),
  })
  return { clients, file }
}

type Clients = ReadonlyMap<SpiffeId, Entry>

function changesOf(before: Clients, after: Clients, time: Date): readonly AuditEvent[] {
  const event = (
    kind: AuditKind & `client.${string}`,
    { spiffeId, id: entryId, owner, purpose }: Entry,
  ): AuditEvent => ({
    ...{ kind, time, actor: { kind: 'server' }, decision: 'allow' },
    ...{ spiffeId, entryId, owner, purpose },
  })
  const removed = [...before.values()].filter(({ spiffeId }) => !after.has(spiffeId))
  return [
    ...removed.map((client) => event('client.removed', client)),
    ...[...after.values()].flatMap((client) => {
      const known = before.get(client.spiffeId)
      if (known === undefined) return event('client.added', client)
      return isDeepStrictEqual(known, client) ? [] : event('client.changed', client)
    }),
  ]
}
