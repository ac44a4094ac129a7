import type { CountersignError } from '../errors.ts'
import type { Clock } from '../runtime/clock.ts'
import type { SpiffeId } from '../spiffe-id/spiffe-id.ts'

/** The limits of one call. */
export interface CallOptions {
  /** Its reason is what an aborted call throws. */
  readonly signal?: AbortSignal | undefined
  /** 10,000 unless told. */
  readonly timeoutMs?: number | undefined
}

/** Whose token, and the limits of the call. */
export interface FetchJwtOptions extends CallOptions {
  /** The identity to get a token for; the default one, or each of them, unless told. */
  readonly spiffeId?: SpiffeId | undefined
}

/** How long, and who is told of what went wrong on the way. */
export interface WatchOptions {
  /** Ends the watch, which throws its reason. */
  readonly signal?: AbortSignal
  /** Told of what the watch lives through: a message that is left out, a stream that breaks. */
  readonly onError?: (error: CountersignError) => void
}

/** Where the Workload API listens, and what time is taken from. */
export interface WorkloadApiClientOptions {
  /** `unix:///path` or `tcp://1.2.3.4:80`; what `SPIFFE_ENDPOINT_SOCKET` names unless told. */
  readonly endpoint?: string
  readonly clock?: Clock
}

/**
 * - `fresh`: the agent is there, and this is what it says.
 * - `stale`: the agent is away; what it said last is still good.
 * - `expired`: there is nothing that may be used: it has run out, was withdrawn, or the source is closed.
 */
export type SourceState = 'fresh' | 'stale' | 'expired'

/** For each of the sources. */
export interface SourceOptions {
  /** `unix:///path` or `tcp://1.2.3.4:80`; what `SPIFFE_ENDPOINT_SOCKET` names unless told. */
  readonly endpoint?: string
  /** Ends the wait for the first update, and nothing later. */
  readonly signal?: AbortSignal
  /** Whether an open source keeps the process alive; it does not unless told. */
  readonly keepAlive?: boolean
  /**
   * Told of what the source lives through: a message that is left out, a stream that breaks, a refusal. Unless told, the
   * process warns of it, once a minute.
   */
  readonly onError?: (error: CountersignError) => void
  readonly clock?: Clock
}
