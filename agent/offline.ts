import { systemClock } from '../src/runtime/clock.ts'
import type { Log } from '../src/runtime/log.ts'
import type { Cache } from './cache/cache.ts'
import type { JwtCache } from './cache/jwt.ts'
import { readOfflineKey } from './cache/offline-key.ts'
import { openSealedCache, type SealedAbout, type SealedCache } from './cache/sealed.ts'
import { volatileFolder } from './cache/volatile-folder.ts'
import type { AgentConfig } from './config.ts'
import {
  readPrivateFile,
  removePrivateFile,
  removeUnfinished,
  writePrivateFile,
} from './key-store/private-file.ts'
import type { AgentIdentity } from './node-attestation/identity.ts'
import type { AgentState } from './sync/state.ts'

/** On disk under the operator's key, else in memory with a key of its own; where there is neither, not at all. */
export async function openSealed(config: AgentConfig): Promise<SealedCache | undefined> {
  if (!config.offlineCache) return undefined
  const files = {
    read: readPrivateFile,
    write: writePrivateFile,
    remove: removePrivateFile,
    removeUnfinished,
  }
  const { dataDir, offlineCacheKeyFile: path } = config
  const folder = await volatileFolder({ dataDir, runtimeDir: process.env['XDG_RUNTIME_DIR'] })
  const inMemory = folder === undefined ? undefined : await openSealedCache({ folder, files })
  if (path === undefined) return inMemory
  const credentialsDir = process.env['CREDENTIALS_DIRECTORY']
  const key = await readOfflineKey({ path, dataDir, credentialsDir })
  // What an earlier run without the key has left would outlive a ban.
  await inMemory?.erase()
  return openSealedCache({ folder: dataDir, key, files })
}

/** What the sealed cache is bound to; undefined while nothing may be kept. */
export function aboutOf(state: AgentState, identity: AgentIdentity): SealedAbout | undefined {
  const { agentId } = identity
  const { lastContact, status } = state.health
  const may = status === 'ready' || status === 'offline-serving'
  return agentId === undefined || lastContact === undefined || !may
    ? undefined
    : { agentId, lastContact }
}

/** What an earlier run has kept is served at once, a server or not. */
export async function restore(parts: {
  readonly config: AgentConfig
  readonly sealed: SealedCache | undefined
  readonly identity: AgentIdentity
  readonly cache: Cache
  readonly jwt: JwtCache
  readonly state: AgentState
  readonly log: Log
}): Promise<void> {
  const { config, sealed, identity, cache, jwt, state, log } = parts
  const { agentId } = identity
  if (sealed === undefined || agentId === undefined) return
  const restored = await sealed.load({
    agentId,
    maxOfflineMs: config.maxOfflineSeconds * 1000,
    at: { now: systemClock.now(), monotonicMs: systemClock.monotonicMs() },
    random: Math.random,
  })
  if (restored === undefined) return
  cache.restore(restored.snapshot)
  jwt.restore(restored.tokens)
  state.restored(restored.lastContact)
  log.info('serving what was kept over the restart', {
    entries: restored.snapshot.entries.size,
    svids: restored.snapshot.svids.size,
    lastContact: restored.lastContact,
  })
}

const offlineLookMs = 5000

/** What was kept over a restart may be served for so long, and no longer, without a word from a server. */
export async function watchOffline(
  state: AgentState,
  config: AgentConfig,
  signal: AbortSignal,
): Promise<void> {
  let contactSeen = false
  for (;;) {
    await systemClock.sleep(offlineLookMs, signal)
    const { status, lastContact } = state.health
    contactSeen ||= status === 'ready'
    const ageMs = systemClock.now().getTime() - (lastContact?.getTime() ?? 0)
    if (!contactSeen && status === 'offline-serving' && ageMs > config.maxOfflineSeconds * 1000) {
      state.offlineTooLong()
    }
  }
}
