import type { Need, WorkloadUpdate } from '../cache/cache.ts'
import type { Updates } from '../cache/updates.ts'
import type { Attested } from '../workload-attestation/attestation.ts'

/** What a stream of messages is sent on. */
export interface PushTarget {
  readonly ended: boolean
  send(message: Buffer, sent: () => void): void
  fail(error: unknown): void
  onEnd(listener: () => void): void
}

/**
 * Sends the full state now and again after each change (Workload API §4.3), until the call ends. What
 * would only repeat the message before is left out. While one message is on its way the newest update
 * waits for it, and no other. `encode` throws where the caller has nothing left.
 */
export function pushUpdates(
  updates: Updates,
  caller: Attested,
  call: PushTarget,
  encode: (update: WorkloadUpdate) => Buffer,
  need: Need,
): void {
  let newest: WorkloadUpdate | undefined
  let last: Buffer | undefined
  let busy = false
  let justAttested = true

  const send = (slice?: object): void => {
    const update = newest
    newest = undefined
    if (call.ended || update === undefined) return
    try {
      const message = encode(update)
      if (last !== undefined && (message === last || message.equals(last))) {
        sent()
        return
      }
      caller.confirm(slice)
      last = message
      call.send(message, sent)
    } catch (error) {
      call.fail(error)
    }
  }
  const next = (): void => {
    if (busy || newest === undefined) return
    busy = true
    // The turn in which the caller was attested is his; for each later message there is another.
    if (justAttested) send()
    else caller.inTurn(send)
  }
  const sent = (): void => {
    busy = false
    next()
  }

  const leave = updates.watch(caller.selectors, need, (update) => {
    newest = update
    next()
  })
  justAttested = false
  call.onEnd(leave)
}

/** Encodes each update once, however many streams it goes to. */
export function encodedOnce(
  encode: (update: WorkloadUpdate) => Buffer,
): (update: WorkloadUpdate) => Buffer {
  const encoded = new WeakMap<WorkloadUpdate, Buffer>()
  return (update) => {
    let message = encoded.get(update)
    if (message === undefined) {
      message = encode(update)
      encoded.set(update, message)
    }
    return message
  }
}
