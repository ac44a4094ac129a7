import { CountersignError } from '../errors.ts'
import { systemClock } from '../runtime/clock.ts'

/**
 * Waits, in real time, until what crosses a socket has come about: `await eventually(() => source.state
 * === 'stale')`. Throws `deadline` / `testing-deadline` after `timeoutMs`, 30,000 unless told: the machine may be busy.
 */
export async function eventually(
  condition: () => boolean | Promise<boolean>,
  timeoutMs = 30_000,
): Promise<void> {
  const lastMs = systemClock.monotonicMs() + timeoutMs
  while (!(await condition())) {
    if (systemClock.monotonicMs() > lastMs) {
      throw new CountersignError('deadline', 'what was waited for did not come about', {
        reason: 'testing-deadline',
      })
    }
    await systemClock.sleep(1)
  }
}
