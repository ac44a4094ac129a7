import { CountersignError } from '../../src/errors.ts'
import type { Need, WorkloadUpdate } from '../cache/cache.ts'
import type { AttestedCall, HandlerDeps } from './handler-deps.ts'

/**
 * The full state now and again after each change (Workload API §4.3), as encoded messages. What
 * would only repeat the message before is left out. `encode` throws where the caller has nothing left.
 */
export async function* pushes(
  deps: HandlerDeps,
  call: AttestedCall,
  encode: (update: WorkloadUpdate) => Buffer,
  need: Need,
): AsyncGenerator<Buffer> {
  let last: Buffer | undefined
  for await (const update of deps.updates.subscribe(call.selectors, call.signal, need)) {
    const message = encode(update)
    if (last === undefined) call.confirm()
    else if (message === last || message.equals(last)) continue
    else await call.confirmInTurn(call.signal)
    last = message
    yield message
  }
  call.signal.throwIfAborted()
  throw new CountersignError('unavailable', 'the agent is stopping', { reason: 'agent-stopping' })
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
