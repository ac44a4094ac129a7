import { CountersignError } from '../../src/errors.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import { within } from '../../src/runtime/within.ts'

const timeoutMs = 10_000

/**
 * The next message of a stream on which the caller is to speak now: who opens streams and stays
 * silent keeps nothing of ours. Throws `deadline` / `request-missing`.
 */
export function nextRequest<T>(
  clock: Clock,
  requests: AsyncIterator<T>,
): Promise<IteratorResult<T>> {
  return within(
    clock,
    timeoutMs,
    requests.next(),
    () =>
      new CountersignError('deadline', 'the message that was due did not come', {
        reason: 'request-missing',
      }),
  )
}
