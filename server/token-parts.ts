import type { AuditEvent } from '../src/audit/event.ts'
import { systemClock } from '../src/runtime/clock.ts'
import type { OpenedForeignClients } from './oauth/open-foreign-clients.ts'
import { inStore } from './oauth/settings.ts'
import type { Opened } from './parts.ts'
import type { Policies } from './policy/policies.ts'

/** They decide on access tokens; few servers issue those, and they cost memory. Throws as `openPolicies`. */
export async function openPoliciesOf(opened: Opened): Promise<Policies | undefined> {
  const { config, trail, log, store } = opened
  if (config.oauth === undefined) return undefined
  const { openPolicies } = await import('./policy/policies.ts')
  const { folderSource } = await import('./policy/policy-source.ts')
  const { storeSource } = await import('./policy/store-source.ts')
  const { policy, separateEnvironments } = config.oauth
  const source = policy === inStore ? storeSource(store.db) : folderSource(policy)
  const append = (events: readonly AuditEvent[]) => trail.append(events)
  return openPolicies({ source, separateEnvironments, append, clock: systemClock, log })
}

/** Workloads of other trust domains may ask for access tokens where any are issued. Throws as `openForeignClients`. */
export async function openForeignClientsOf(opened: Opened): Promise<OpenedForeignClients> {
  const { config, trail, log } = opened
  const { oauth, trustDomain } = config
  const settings = oauth ?? { foreignClients: new Map(), foreignClientsFile: undefined }
  const { openForeignClients } = await import('./oauth/open-foreign-clients.ts')
  return openForeignClients(settings, { trustDomain, trail, clock: systemClock, log })
}
