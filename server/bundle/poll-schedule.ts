import type { CountersignError } from '../../src/errors.ts'
import type { TrustDomain } from '../../src/spiffe-id/spiffe-id.ts'
import type { BundleConfirmations } from '../store/bundle-confirmations.ts'
import type { FederationRelationship } from '../store/records.ts'
import { sameEndpoint } from './refresh.ts'

/** Where the publisher does not say (SPIFFE Trust Domain and Bundle §4.1.2). */
const defaultIntervalMs = 5 * 60_000
const minIntervalMs = 5_000
const maxIntervalMs = 24 * 3_600_000
const minRetryMs = 60_000
const maxRetryMs = 3_600_000

/** One relationship, and how it goes with it. Replaced, never edited. */
export interface Followed {
  readonly relationship: FederationRelationship
  /** By the clock that never jumps. */
  readonly dueAtMs: number
  /** When its bundle was last known to be that of the trust domain: fetched, or set by an operator, by whichever server. */
  readonly confirmedAt: Date | undefined
  /** Since this server has started, or since the last success. */
  readonly failures: number
  readonly failure: { readonly at: Date; readonly error: CountersignError } | undefined
}

export type AllFollowed = ReadonlyMap<TrustDomain, Followed>

export interface Instant {
  readonly now: Date
  readonly nowMs: number
}

/** The relationships as they are by now: a new or changed one is due at once, one that is gone is forgotten. */
export function follow(
  before: AllFollowed,
  relationships: readonly FederationRelationship[],
  confirmations: BundleConfirmations,
  { now, nowMs }: Instant,
): AllFollowed {
  return new Map(
    relationships.map((relationship) => {
      const { trustDomain } = relationship
      const known = before.get(trustDomain)
      const followed =
        known !== undefined && sameEndpoint(known.relationship, relationship)
          ? known
          : newlyFollowed(relationship, nowMs)
      const confirmedAt = later(notAfter(now, known?.confirmedAt), confirmations.get(trustDomain))
      return [trustDomain, { ...followed, confirmedAt }]
    }),
  )
}

/** What is remembered of a clock that has been set back since is not what this server has written last. */
function notAfter(now: Date, at: Date | undefined): Date | undefined {
  return at !== undefined && at > now ? undefined : at
}

/** What was read of the store may be older than what this server has written since. */
function later(a: Date | undefined, b: Date | undefined): Date | undefined {
  if (a === undefined || b === undefined) return a ?? b
  return a > b ? a : b
}

export function newlyFollowed(relationship: FederationRelationship, nowMs: number): Followed {
  return { relationship, dueAtMs: nowMs, confirmedAt: undefined, failures: 0, failure: undefined }
}

/** What is to be fetched by now, the longest overdue first. */
export function dueOf(all: AllFollowed, nowMs: number): readonly Followed[] {
  return [...all.values()]
    .filter(({ dueAtMs }) => dueAtMs <= nowMs)
    .sort((a, b) => a.dueAtMs - b.dueAtMs)
}

/** How long nothing is due. */
export function idleMs(all: AllFollowed, nowMs: number): number {
  return Math.min(...[...all.values()].map(({ dueAtMs }) => dueAtMs - nowMs))
}

/** What the publisher asks for, or less, so that a failure or two leave the bundle fresh; in seconds. */
export function hintWithin(refreshHintSeconds: number, maxStalenessSeconds: number): number {
  const asked = refreshHintSeconds === 0 ? defaultIntervalMs / 1000 : refreshHintSeconds
  return Math.min(asked, maxStalenessSeconds / 4)
}

/** Fetched: the next time is when the publisher asks for it. `random` from 0 to 1. */
export function succeeded(
  { relationship }: Followed,
  refreshHintSeconds: number,
  { now, nowMs }: Instant,
  random: number,
): Followed {
  return {
    relationship,
    dueAtMs: nowMs + jittered(intervalMs(refreshHintSeconds), random),
    confirmedAt: now,
    failures: 0,
    failure: undefined,
  }
}

/**
 * Not fetched: again after the usual interval (SPIFFE Federation §6.2), in a row of failures after
 * twice and four times of it, never sooner than after a minute.
 */
export function failed(
  followed: Followed,
  error: CountersignError,
  refreshHintSeconds: number,
  { now, nowMs }: Instant,
  random: number,
): Followed {
  const usual = Math.max(intervalMs(refreshHintSeconds), minRetryMs)
  const grown = usual * 2 ** Math.min(followed.failures, 2)
  const waitMs = Math.min(grown, Math.max(usual, maxRetryMs))
  return {
    ...followed,
    dueAtMs: nowMs + Math.max(jittered(waitMs, random), minRetryMs),
    failures: followed.failures + 1,
    failure: { at: now, error },
  }
}

/** A hint, not an order: it is kept within bounds. */
function intervalMs(refreshHintSeconds: number): number {
  if (refreshHintSeconds === 0) return defaultIntervalMs
  return Math.min(Math.max(refreshHintSeconds * 1000, minIntervalMs), maxIntervalMs)
}

/** Up to a tenth sooner, so that servers that began together do not ask together. */
function jittered(ms: number, random: number): number {
  return ms * (1 - random / 10)
}
