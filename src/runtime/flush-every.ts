import type { Clock } from './clock.ts'

/** Flushes each `ms` until the signal aborts, and then once more, so that nothing is left waiting. Rejects as `flush` does. */
export async function flushEvery(
  clock: Clock,
  ms: number,
  flush: () => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  try {
    while (!signal.aborted) {
      await clock.sleep(ms, signal)
      await flush()
    }
  } catch (error) {
    if (!signal.aborted) throw error
  } finally {
    await flush()
  }
}
