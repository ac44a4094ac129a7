import { asCountersignError, CountersignError } from '../errors.ts'
import type { Clock } from '../runtime/clock.ts'
import { toldInSpite } from '../runtime/told-in-spite.ts'
import type { SignedToken } from './signed-tokens.ts'
import {
  knownRevocation,
  type StandingCheck,
  type StandingOptions,
  unknownPauseMs,
  type WhenUnknown,
} from './standing-check.ts'

/** A token that a request was let in with. */
export interface LetInWith {
  readonly token: string
  readonly signed: SignedToken
  readonly whenUnknown: WhenUnknown
  /** Until then the token is taken, in milliseconds since 1970. */
  readonly endsAtMs: number
}

/** The requests of one verifier that are open still. */
export interface OpenRequests {
  /** `onEnd` is called once, when the token is good no more, unless the result was called before. */
  watch(shown: LetInWith, onEnd: (why: CountersignError) => void): () => void
}

interface OpenRequest {
  readonly shown: LetInWith
  readonly onEnd: (why: CountersignError) => void
  readonly beganMs: number
  /** Whether it was looked at, by all that was known then. */
  judged: boolean
}

/** One look at all of them, each so often, costs less than a timer for each; most are over before the first. */
const lookMs = 100
/** A token that ends by itself was good as the request began: what is answered as fast as this is not cut off. */
const graceMs = 30_000
const askedAtOnce = 8

/**
 * Watches requests that are open for longer than what was found out as they began may count. A revocation ends them as it
 * becomes known; while that cannot be known, each is asked about once a second, and ends where another one would be refused.
 */
export function openRequests(
  options: StandingOptions,
  checkStanding: StandingCheck,
  clock: Clock,
): OpenRequests {
  const { revocations } = options
  const open = new Set<OpenRequest>()
  let isLooking = false
  let judgedAtMs = Number.NEGATIVE_INFINITY
  let hasNewFacts = false
  let isAsking = false
  let askedAtMs = Number.NEGATIVE_INFINITY

  const end = (request: OpenRequest, why: CountersignError): void => {
    if (!open.delete(request)) return
    // The others have to end all the same.
    toldInSpite(() => request.onEnd(why))
  }
  const look = (): void => {
    const nowMs = clock.monotonicMs()
    const wallMs = clock.now().getTime()
    const isEachDue = hasNewFacts || revocations?.onFacts === undefined
    if (isEachDue) judgedAtMs = nowMs
    hasNewFacts = false
    // Not those that are begun by the end of others: with the same token there would be no end of it.
    for (const request of [...open]) {
      const { shown, beganMs, judged } = request
      request.judged = true
      const revoked = isEachDue || !judged ? knownRevocation(revocations, shown.signed) : undefined
      if (revoked !== undefined) end(request, revoked)
      else if (hasLapsed(shown.endsAtMs, wallMs, nowMs - beganMs)) end(request, expired())
    }
  }
  const askAbout = async (request: OpenRequest): Promise<void> => {
    const { token, signed, whenUnknown } = request.shown
    try {
      await checkStanding(token, signed, whenUnknown)
    } catch (error) {
      end(request, asCountersignError(error))
    }
  }
  const ask = async (): Promise<void> => {
    if (revocations?.fresh() === true) askedAtMs = Number.NEGATIVE_INFINITY
    else if (!isAsking && clock.monotonicMs() - askedAtMs >= unknownPauseMs) {
      isAsking = true
      askedAtMs = clock.monotonicMs()
      // One token may have begun a thousand of them.
      const due = Map.groupBy(open, ({ shown }) => shown.token).values()
      const askInTurn = async (): Promise<void> => {
        for (const requests of due) {
          await Promise.all(requests.filter((request) => open.has(request)).map(askAbout))
        }
      }
      await Promise.all(Array.from({ length: askedAtOnce }, askInTurn))
      isAsking = false
    }
  }
  const keepLooking = async (): Promise<void> => {
    isLooking = true
    const stopListening = revocations?.onFacts?.(() => {
      hasNewFacts = true
      if (clock.monotonicMs() - judgedAtMs >= lookMs) look()
    })
    let stoodStill = false
    while (open.size > 0) {
      const fromMs = clock.monotonicMs()
      await clock.sleep(lookMs)
      look()
      // Of what came in while this process had no time nothing is read yet: that is no lateness of theirs, once.
      stoodStill = !stoodStill && clock.monotonicMs() - fromMs > 2 * lookMs
      if (!stoodStill) void ask()
    }
    stopListening?.()
    isLooking = false
  }
  return {
    watch(shown, onEnd) {
      const request = { shown, onEnd, beganMs: clock.monotonicMs(), judged: false }
      open.add(request)
      if (!isLooking) void keepLooking()
      return () => void open.delete(request)
    },
  }
}

/** Whether a request that has been open for `openMs` ends with its token by now, both in milliseconds since 1970. */
export function hasLapsed(endsAtMs: number, nowMs: number, openMs: number): boolean {
  return nowMs >= endsAtMs && openMs >= graceMs
}

export function expired(): CountersignError {
  return new CountersignError('unauthenticated', 'the token is expired', {
    reason: 'token-expired',
  })
}
