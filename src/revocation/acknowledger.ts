import { createBackoff } from '../runtime/backoff.ts'
import type { Clock } from '../runtime/clock.ts'
import { within } from '../runtime/within.ts'

/** How far a reader has come with one connection to the feed. */
export interface Acknowledgement {
  /** What was drawn for that connection: nobody but its reader and the issuer has it. */
  readonly nonce: string
  /** Of the last fact that was applied, `LOG.NUMBER`. */
  readonly head: string
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

/** Between two; within twice this an issuer has heard of a fact. */
const spreadMs = 125
const patienceMs = 2000

/**
 * The result is told each head that was applied, and has the issuer know of the newest, once each: many readers do not
 * say so at the same moment. What the issuer makes of it changes nothing for the reader: a failure is tried again.
 */
export function createAcknowledger(
  { send, clock, random = Math.random }: AcknowledgerDeps,
  nonce: string,
  signal: AbortSignal,
): (head: string) => void {
  const backoff = createBackoff({ baseMs: 2 * spreadMs, capMs: 5000, random })
  let applied = ''
  let acknowledged = ''
  let running = false
  const run = async (): Promise<void> => {
    while (applied !== acknowledged && !signal.aborted) {
      await clock.sleep(spreadMs * (1 + random()), signal)
      const head = applied
      try {
        await within(clock, patienceMs, send({ nonce, head }, signal), late)
        acknowledged = head
        backoff.reset()
      } catch {
        await clock.sleep(backoff.next(), signal)
      }
    }
    running = false
  }
  return (head) => {
    applied = head
    if (running) return
    running = true
    // It rejects where the signal aborts, and then is not needed any more.
    run().catch(() => {})
  }
}

function late(): Error {
  return new Error('the issuer does not answer')
}
