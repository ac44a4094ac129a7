import type { Bundle } from '../../src/bundle/bundle.ts'
import type { Entry } from '../../src/entry/entry.ts'
import { asCountersignError } from '../../src/errors.ts'
import type { Bundle as WireBundle } from '../../src/rpc/gen/spire/api/types/Bundle.ts'
import type { Entry as WireEntry } from '../../src/rpc/gen/spire/api/types/Entry.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import type { Log } from '../../src/runtime/log.ts'
import type { TrustDomain } from '../../src/spiffe-id/spiffe-id.ts'
import type { Snapshot } from '../cache/snapshot.ts'
import { type EntryStream, syncEntries } from './poll-entries.ts'
import { broken, receivedBundle, receivedEntry } from './received.ts'
import type { ChangeSource } from './source.ts'

/** What SPIRE's agents ask their servers, over the connection of this moment. */
export interface PollCalls {
  /** `SyncAuthorizedEntries` */
  syncEntries(signal: AbortSignal): EntryStream
  /** `GetAuthorizedEntries` */
  allEntries(signal: AbortSignal): Promise<readonly WireEntry[]>
  ownBundle(signal: AbortSignal): Promise<WireBundle>
  /** Throws `not-found` where the server has none. */
  federatedBundle(name: TrustDomain, signal: AbortSignal): Promise<WireBundle>
}

export interface PollDeps {
  readonly trustDomain: TrustDomain
  readonly calls: PollCalls
  readonly clock: Clock
  readonly log: Log
  readonly random?: () => number
}

/** As often as SPIRE's agents do; drawn ± 10 %, so that agents that began together drift apart. */
const intervalMs = 5000
/** How long the stream of a server that had none is not asked for. */
const pollForMs = 60_000
const bundlesAtOnce = 10

/**
 * What a server without a stream, SPIRE's, says each time that it is asked: all entries of this node
 * and the bundles that they need. Held under no log, so that the first stream begins with a snapshot.
 */
export function pollChanges(deps: PollDeps): ChangeSource {
  const { calls, clock, random = Math.random } = deps
  return async function* (held, signal) {
    const endMs = clock.monotonicMs() + pollForMs
    // Older servers lack it.
    let hasSync = true
    const entriesOf = async (): Promise<readonly Entry[]> => {
      const read = (wire: WireEntry) => reading(deps, () => receivedEntry(deps.trustDomain, wire))
      try {
        if (hasSync) return await syncEntries(calls.syncEntries(signal), knownIn(held()), read)
      } catch (error) {
        if (asCountersignError(error).code !== 'unimplemented') throw error
        hasSync = false
      }
      return (await calls.allEntries(signal)).flatMap((wire) => read(wire) ?? [])
    }
    for (;;) {
      const entries = await entriesOf()
      yield {
        logId: '',
        position: 0,
        snapshot: true,
        entries,
        removedEntryIds: [],
        bundles: await bundlesFor(deps, entries, signal),
        removedTrustDomains: [],
        goodFrom: new Map(),
      }
      await clock.sleep(intervalMs * (0.9 + 0.2 * random()), signal)
      if (clock.monotonicMs() >= endMs) return
    }
  }
}

/** Revisions tell entries of one server apart; what came by a stream may be another server's. */
function knownIn({ logId, entries }: Snapshot): (id: string) => Entry | undefined {
  return logId === '' ? (id) => entries.get(id) : () => undefined
}

/** Throws where the own bundle cannot be had: without it nothing else is of use. */
async function bundlesFor(
  deps: PollDeps,
  entries: readonly Entry[],
  signal: AbortSignal,
): Promise<readonly Bundle[]> {
  const { trustDomain, calls } = deps
  const names = new Set(entries.flatMap(({ federatesWith }) => federatesWith))
  names.delete(trustDomain)
  const bundles = [named(trustDomain, receivedBundle(trustDomain, await calls.ownBundle(signal)))]
  const asked = [...names]
  for (let at = 0; at < asked.length; at += bundlesAtOnce) {
    const some = asked.slice(at, at + bundlesAtOnce)
    const got = await Promise.all(some.map((name) => federatedBundle(deps, name, signal)))
    bundles.push(...got.flatMap((bundle) => bundle ?? []))
  }
  return bundles
}

async function federatedBundle(
  deps: PollDeps,
  name: TrustDomain,
  signal: AbortSignal,
): Promise<Bundle | undefined> {
  try {
    const wire = await deps.calls.federatedBundle(name, signal)
    return reading(deps, () => named(name, receivedBundle(deps.trustDomain, wire)))
  } catch (error) {
    if (asCountersignError(error).code === 'not-found') return undefined
    throw error
  }
}

/** Throws `invalid` / `sync-bundle` for the bundle of another trust domain than was asked for. */
function named(name: TrustDomain, bundle: Bundle): Bundle {
  if (bundle.trustDomain === name) return bundle
  throw broken('sync-bundle', 'the server sent the bundle of another trust domain')
}

/** One item that cannot be read takes nothing from the others. */
function reading<T>({ log }: PollDeps, read: () => T): T | undefined {
  try {
    return read()
  } catch (error) {
    log.warn('the server sent something that cannot be used; it is left out', { error })
    return undefined
  }
}
