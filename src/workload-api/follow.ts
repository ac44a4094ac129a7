import { CountersignError, type ErrorCode } from '../errors.ts'
import { createBackoff } from '../runtime/backoff.ts'
import type { Clock } from '../runtime/clock.ts'
import type { Connection } from './connection.ts'
import type { Profile, StreamMessages } from './profile.ts'

/** What comes of following a stream. */
export type StreamEvent<T> =
  /** Replaces all that was said before (§4.4). */
  | { readonly kind: 'update'; readonly value: T }
  /** A message that is not sound: it is left out, and the one before it stands (§4.5). */
  | { readonly kind: 'malformed'; readonly error: CountersignError }
  /** Nothing of what was said before may be used any more (§5.2.1, §6.2.2). */
  | { readonly kind: 'denied'; readonly error: CountersignError }
  /** The stream has ended, with an error or without; what was said before stands. */
  | { readonly kind: 'interrupted'; readonly error: CountersignError | undefined }

/** Asking again would bring the same answer (Workload Endpoint §6, Appendix A). */
const final: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['invalid', 'unimplemented'])
const retry = { baseMs: 100, capMs: 5000 }
const atOnceMs = 1000
const longestPauseMs = 60_000

/**
 * Follows a stream of the Workload API, and takes it up again each time that it ends, well or not
 * (§4.2): at once where it has said something, but not more than once a second; later and later
 * otherwise. Throws the signal's reason, and what is final: `invalid`, `unimplemented`.
 */
export async function* follow<R extends keyof StreamMessages, T>(
  connection: Connection,
  profile: Profile<R, T>,
  clock: Clock,
  signal: AbortSignal,
): AsyncGenerator<StreamEvent<T>, never, void> {
  const backoff = createBackoff(retry)
  let lastAtOnceMs = Number.NEGATIVE_INFINITY
  for (;;) {
    let spoke = false
    let error: CountersignError | undefined
    try {
      for await (const message of connection.stream(profile.rpc, signal)) {
        const event = eventOf(profile, message)
        spoke ||= event.kind === 'update'
        yield event
      }
    } catch (thrown) {
      signal.throwIfAborted()
      if (!(thrown instanceof CountersignError) || final.has(thrown.code)) throw thrown
      error = thrown
    }
    signal.throwIfAborted()
    yield error?.code === 'forbidden' ? { kind: 'denied', error } : { kind: 'interrupted', error }
    const now = clock.monotonicMs()
    if (spoke && now - lastAtOnceMs >= atOnceMs) {
      lastAtOnceMs = now
      backoff.reset()
    } else {
      const askedMs = Math.min(error?.retryAfterMs ?? 0, longestPauseMs)
      await clock.sleep(Math.max(backoff.next(), askedMs), signal)
    }
  }
}

function eventOf<R extends keyof StreamMessages, T>(
  { read }: Profile<R, T>,
  message: StreamMessages[R],
): StreamEvent<T> {
  try {
    return { kind: 'update', value: read(message) }
  } catch (error) {
    if (!(error instanceof CountersignError)) throw error
    return { kind: 'malformed', error }
  }
}
