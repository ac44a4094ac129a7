import type { AuditEvent } from '../../src/audit/event.ts'
import { addressShare } from '../../src/mtls/admission.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import { type RateLimit, RateLimiter } from '../access/limits.ts'

/** Puts refused requests on record: all of a client that is known, of a flood of strangers a part. */
export interface RefusalRecord {
  /** Resolves when it is on record, or left out. Throws as `append`. */
  note(denial: AuditEvent): Promise<void>
}

/** Of strangers, of one address and of all together. */
const each: RateLimit = { perSecond: 5, burst: 50 }
const all: RateLimit = { perSecond: 50, burst: 500 }

export function createRefusalRecord(deps: {
  readonly append: (events: readonly AuditEvent[]) => Promise<unknown>
  readonly clock: Clock
}): RefusalRecord {
  const byAddress = new RateLimiter(each, deps.clock)
  const together = new RateLimiter(all, deps.clock)
  let leftOut = 0
  const fits = ({ actor, reason }: AuditEvent): boolean =>
    reason !== 'rate-limited' &&
    (actor.id !== undefined ||
      (byAddress.tryTake(shareOf(actor.address ?? '')) && together.tryTake('')))
  return {
    async note(denial) {
      if (!fits(denial)) {
        leftOut += 1
        return
      }
      const before = leftOut
      leftOut = 0
      const details = { ...denial.details, ...(before > 0 && { leftOut: before }) }
      try {
        await deps.append([{ ...denial, details }])
      } catch (error) {
        leftOut += before + 1
        throw error
      }
    },
  }
}

/** What counts as one address: `127.0.0.1:80` → `127.0.0.1`, `[2001:db8::1]:80` → its /64. */
export function shareOf(address: string): string {
  return addressShare(address.slice(0, address.lastIndexOf(':')).replaceAll(/[[\]]/g, ''))
}
