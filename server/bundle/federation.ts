import type { BundleLookup } from '../../src/bundle/bundle.ts'
import { asCountersignError, CountersignError } from '../../src/errors.ts'
import { sleepUnlessWoken } from '../../src/runtime/clock.ts'
import type { Log } from '../../src/runtime/log.ts'
import type { TrustDomain } from '../../src/spiffe-id/spiffe-id.ts'
import { loadConfirmations } from '../store/bundle-confirmations.ts'
import { listRelationships, loadRelationship } from '../store/federation.ts'
import type { FederationRelationship } from '../store/records.ts'
import type { Store } from '../store/store.ts'
import type { Act } from './append.ts'
import {
  type AllFollowed,
  dueOf,
  type Followed,
  failed,
  follow,
  hintWithin,
  type Instant,
  idleMs,
  newlyFollowed,
  succeeded,
} from './poll-schedule.ts'
import { type RefreshDeps, refreshBundle, sameEndpoint } from './refresh.ts'
import { maxRelationships } from './relationships.ts'
import { freshBundles, type JudgedBundle, judged, stalenessOf } from './staleness.ts'

const maxAtOnce = 16
/** How soon a relationship is noticed that was made or changed by way of another server. */
const scanMs = 10_000
const minPauseMs = 1000

/** `unavailable`: nobody answered well. `refused`: what answered is not to be believed. */
export type FetchOutcome = 'changed' | 'unchanged' | 'unavailable' | 'refused'

export interface FederationDeps extends RefreshDeps {
  readonly store: Pick<Store, 'write' | 'db'>
  readonly log: Log
  readonly observe: (outcome: FetchOutcome) => void
  readonly random?: () => number
}

/** Keeps the bundles of other trust domains fresh. */
export interface Federation {
  /**
   * Fetches one now. Throws as `refreshBundle`, `not-found` / `federation-not-found`, `forbidden` /
   * `federation-fetch-off`.
   */
  refresh(trustDomain: TrustDomain, act: Act): Promise<void>
  /** Looks at once for relationships that are new or changed. */
  look(): void
  /** How it goes with each relationship, and when its bundle is stale. */
  status(): readonly JudgedBundle[]
  /** The bundles that say who somebody is, as `freshBundles` has them. */
  readonly fresh: BundleLookup
  /** Reads which relationships there are. To be called before anybody asks. Throws as the store. */
  read(): Promise<void>
  /** Fetches what is due until the signal aborts, and tells of bundles that have become stale. */
  run(signal: AbortSignal): Promise<void>
}

export function createFederation(deps: FederationDeps): Federation {
  const { clock, log, store, settings } = deps
  const random = deps.random ?? Math.random
  const stop = new AbortController()
  const underWay = new Map<TrustDomain, { of: FederationRelationship; work: Promise<void> }>()
  let wake = new AbortController()
  let isAsked = true
  let all: AllFollowed = new Map()

  const instant = (): Instant => ({ now: clock.now(), nowMs: clock.monotonicMs() })
  const note = (next: (before: Followed, hint: number) => Followed, of: FederationRelationship) => {
    const { trustDomain } = of
    const before = all.get(trustDomain) ?? newlyFollowed(of, clock.monotonicMs())
    // What was found out is of no use for the relationship that has taken its place.
    if (!sameEndpoint(before.relationship, of)) return
    const said = deps.bundles.bundleOf(trustDomain)?.refreshHintSeconds ?? 0
    const hint = hintWithin(said, stalenessOf(settings, trustDomain).maxSeconds)
    all = new Map(all).set(trustDomain, next(before, hint))
  }

  const attempt = async (of: FederationRelationship, act: Act): Promise<void> => {
    const fields = { trustDomain: of.trustDomain, url: of.bundleEndpointUrl }
    try {
      const outcome = await refreshBundle(deps, of, act, stop.signal)
      note((before, hint) => succeeded(before, hint, instant(), random()), of)
      log.info('federated bundle fetched', { ...fields, outcome })
      deps.observe(outcome)
    } catch (error) {
      stop.signal.throwIfAborted()
      const fault = asCountersignError(error)
      note((before, hint) => failed(before, fault, hint, instant(), random()), of)
      log.warn('federated bundle not fetched: the one that there is stays', { ...fields, error })
      deps.observe(lies(fault) ? 'refused' : 'unavailable')
      throw fault
    }
  }
  const fetchOnce = async (of: FederationRelationship, act: Act): Promise<void> => {
    for (;;) {
      const running = underWay.get(of.trustDomain)
      if (running === undefined) break
      if (sameEndpoint(running.of, of)) return running.work
      // It asks an endpoint that was changed since: what comes of it says nothing of this one.
      await running.work.catch(() => {})
    }
    const work = attempt(of, act).finally(() => underWay.delete(of.trustDomain))
    underWay.set(of.trustDomain, { of, work })
    return work
  }
  const read = async (): Promise<void> => {
    const relationships = await listRelationships(store.db, '', maxRelationships)
    const confirmations = await loadConfirmations(store.db)
    all = follow(all, relationships, confirmations, instant())
  }
  const judge = (followed: Followed): JudgedBundle => judged(followed, settings, clock.now())
  let toldStale: ReadonlySet<TrustDomain> = new Set()
  const tellStale = (): void => {
    const stale = [...all.values()].map(judge).filter(({ isStale }) => isStale)
    for (const { relationship, confirmedAt, onStale } of stale) {
      const { trustDomain } = relationship
      if (toldStale.has(trustDomain) || deps.bundles.bundleOf(trustDomain) === undefined) continue
      log.error('a federated bundle is stale', { trustDomain, confirmedAt, onStale })
    }
    toldStale = new Set(stale.map(({ relationship }) => relationship.trustDomain))
  }
  const scan = async (): Promise<void> => {
    try {
      await read()
    } catch (error) {
      if (!(error instanceof CountersignError)) throw error
      log.warn('the federation relationships cannot be read', { error })
    }
  }
  const running = new Map<TrustDomain, Promise<void>>()
  const waiting = (): AllFollowed => new Map([...all].filter(([name]) => !running.has(name)))
  /** Those that are due by now and have a place; each goes by itself, and the next takes its place. */
  const beginDue = (): void => {
    for (const { relationship } of dueOf(waiting(), clock.monotonicMs())) {
      const { trustDomain } = relationship
      if (running.size >= maxAtOnce || stop.signal.aborted) return
      const ended = (): void => {
        running.delete(trustDomain)
        wake.abort()
      }
      // A failure has been noted, and is nobody else's.
      running.set(trustDomain, fetchOnce(relationship, byItself).then(ended, ended))
    }
  }

  return {
    async refresh(trustDomain, act) {
      const relationship = await loadRelationship(store.db, trustDomain)
      if (relationship === undefined) throw noRelationship(trustDomain)
      if (!settings.fetch) throw fetchOff()
      await fetchOnce(relationship, act)
    },
    look() {
      isAsked = true
      wake.abort()
    },
    status: () => [...all.values()].map(judge),
    fresh: freshBundles(deps.bundles, (trustDomain) => {
      const followed = all.get(trustDomain)
      if (followed === undefined) return false
      const { isStale, onStale } = judge(followed)
      return isStale && onStale === 'deny'
    }),
    read,
    async run(signal) {
      signal.addEventListener('abort', () => stop.abort(signal.reason), { once: true })
      try {
        for (let scanAtMs = 0; ; ) {
          signal.throwIfAborted()
          wake = new AbortController()
          if (isAsked || clock.monotonicMs() >= scanAtMs) {
            isAsked = false
            await scan()
            scanAtMs = clock.monotonicMs() + scanMs
          }
          if (settings.fetch) beginDue()
          tellStale()
          const nowMs = clock.monotonicMs()
          const idle = settings.fetch ? idleMs(waiting(), nowMs) : scanMs
          const pauseMs = Math.min(idle, scanAtMs - nowMs)
          await sleepUnlessWoken(clock, Math.max(pauseMs, minPauseMs), wake.signal, signal)
        }
      } finally {
        await Promise.all(running.values())
      }
    },
  }
}

/** Whether it was the endpoint that is not to be believed, and not we or the way there that failed. */
function lies({ code, reason }: CountersignError): boolean {
  return code !== 'unavailable' && code !== 'internal' && !ownFaults.has(reason)
}

const ownFaults: ReadonlySet<string> = new Set(['federation-changed', 'federation-web-ca'])

const byItself: Act = { actor: { kind: 'server' } }

function noRelationship(trustDomain: TrustDomain): CountersignError {
  return new CountersignError('not-found', `no relationship with trust domain "${trustDomain}"`, {
    reason: 'federation-not-found',
  })
}

function fetchOff(): CountersignError {
  return new CountersignError('forbidden', 'this server fetches no bundles', {
    reason: 'federation-fetch-off',
    fix: 'set federation.fetch, or get the document yourself and give it to: countersign bundle set',
  })
}
