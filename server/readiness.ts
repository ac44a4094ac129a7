import { CountersignError } from '../src/errors.ts'
import type { Clock } from '../src/runtime/clock.ts'

const freshMs = 500

/**
 * Why the server cannot do its work, asked of each part in turn; one answer serves whoever asks
 * within half a second, so that health checks cannot wear the disk out.
 */
export function createReadiness(
  clock: Clock,
  probes: readonly (() => CountersignError | undefined | Promise<void>)[],
): () => Promise<string | undefined> {
  let atMs = Number.NEGATIVE_INFINITY
  let asking = false
  let answer: Promise<string | undefined> = Promise.resolve('starting')
  return () => {
    // A probe that hangs is waited for, not joined by another.
    if (!asking && clock.monotonicMs() - atMs >= freshMs) {
      asking = true
      answer = ask(probes).finally(() => {
        asking = false
        atMs = clock.monotonicMs()
      })
    }
    return answer
  }
}

async function ask(
  probes: readonly (() => CountersignError | undefined | Promise<void>)[],
): Promise<string | undefined> {
  for (const probe of probes) {
    try {
      const fault = await probe()
      if (fault instanceof CountersignError) return fault.reason
    } catch (error) {
      return error instanceof CountersignError ? error.reason : 'internal'
    }
  }
  return undefined
}
