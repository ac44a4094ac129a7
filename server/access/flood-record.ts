import type { AuditEvent } from '../../src/audit/event.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import { type RateLimit, RateLimiter } from './limits.ts'

/** Of a flood of refusals a part is put on record, and with the next one how many were left out before it. */
export interface FloodRecord {
  /** `fits`: whether there is room for it. Resolves when it is on record, or left out. Throws as `append`. */
  note(event: AuditEvent, fits: boolean): Promise<void>
  /** Refusals that are on no record yet, not even by their number. */
  readonly leftOut: number
}

export function createFloodRecord(
  append: (events: readonly AuditEvent[]) => Promise<unknown>,
): FloodRecord {
  let leftOut = 0
  return {
    async note(event, fits) {
      if (!fits) {
        leftOut += 1
        return
      }
      const before = leftOut
      leftOut = 0
      const details = { ...event.details, ...(before > 0 && { leftOut: before }) }
      try {
        await append([{ ...event, details }])
      } catch (error) {
        leftOut += before + 1
        throw error
      }
    },
    get leftOut() {
      return leftOut
    },
  }
}

/** Room on record for whoever is named, and for all together: `true` takes a place of both. */
export function createRoom(
  limits: { readonly each: RateLimit; readonly all: RateLimit },
  clock: Clock,
): (who: string) => boolean {
  const byName = new RateLimiter(limits.each, clock)
  const together = new RateLimiter(limits.all, clock)
  return (who) => byName.tryTake(who) && together.tryTake('')
}
