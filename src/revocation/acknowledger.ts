import { createBackoff } from '../runtime/backoff.ts'
import type { Clock } from '../runtime/clock.ts'
import { within } from '../runtime/within.ts'

/** How far a reader has come with one connection to the feed. */
export interface Acknowledgement {
  /** What was drawn for that connection: nobody but its reader and the issuer has it. */
  readonly nonce: string
  /** Of the last fact that was applied, `LOG.NUMBER`. */
  readonly head: string
  /** How long ago the first of what is acknowledged was applied. */
  readonly delayMs: number
}

/** Tells the issuer; rejects where it does not take it. */
export type SendAcknowledgement = (
  acknowledgement: Acknowledgement,
  signal: AbortSignal,
) => Promise<void>

export interface AcknowledgerDeps {
  readonly send: SendAcknowledgement
  readonly clock: Clock
  readonly random?: (() => number) | undefined
}

/** In how long a head is told unless the issuer says otherwise, and at most. */
const usualMs = 250
const longestMs = 60_000
/** Between two. */
const leastMs = 125
const patienceMs = 2000

/**
 * The result is told each head that was applied, and has the issuer know of the newest, once each, `withinMs` later at
 * most: many readers do not say so at the same moment. What the issuer makes of it changes nothing for the reader: a
 * failure is tried again.
 */
export function createAcknowledger(
  { send, clock, random = Math.random }: AcknowledgerDeps,
  nonce: string,
  signal: AbortSignal,
): (head: string, withinMs?: number) => void {
  const backoff = createBackoff({ baseMs: usualMs, capMs: 5000, random })
  let spreadMs = usualMs
  let applied = ''
  let acknowledged = ''
  let running = false
  let sinceMs = 0
  const run = async (): Promise<void> => {
    while (applied !== acknowledged && !signal.aborted) {
      await clock.sleep(Math.max(leastMs, spreadMs * random()), signal)
      const head = applied
      const nowMs = clock.monotonicMs()
      const delayMs = nowMs - sinceMs
      const stop = new AbortController()
      try {
        const sending = send({ nonce, head, delayMs }, AbortSignal.any([signal, stop.signal]))
        await within(clock, patienceMs, sending, late)
        acknowledged = head
        // What was applied meanwhile waits since then, if not for less.
        sinceMs = nowMs
        backoff.reset()
      } catch {
        await clock.sleep(backoff.next(), signal)
      } finally {
        // It has a connection of its own, of which there are not to be more and more.
        stop.abort()
      }
    }
    running = false
  }
  return (head, withinMs = spreadMs) => {
    spreadMs = Math.min(withinMs, longestMs)
    applied = head
    if (running || applied === acknowledged) return
    running = true
    sinceMs = clock.monotonicMs()
    // It rejects where the signal aborts, and then is not needed any more.
    run().catch(() => {})
  }
}

function late(): Error {
  return new Error('the issuer does not answer')
}
