import type { CountersignError } from '../errors.ts'
import type { Clock } from './clock.ts'
import type { Log } from './log.ts'

/** What the log says of something that is tried again and again. */
export interface Outage {
  /** Is a warning the first time, with each reason that is new, and from then on ever more seldom. */
  failed(error: CountersignError, fields?: Readonly<Record<string, unknown>>): void
  over(): void
}

const firstGapMs = 60_000
const lastGapMs = 3_600_000

/** `lost` and `back`: the words of the log. */
export function createOutage(deps: {
  readonly lost: string
  readonly back: string
  readonly clock: Pick<Clock, 'monotonicMs'>
  readonly log: Pick<Log, 'warn' | 'info' | 'debug'>
}): Outage {
  const { lost, back, clock, log } = deps
  const reasons = new Set<string>()
  let sinceMs: number | undefined
  let gapMs = firstGapMs
  let nextMs = 0
  const awaySeconds = (): number =>
    sinceMs === undefined ? 0 : Math.round((clock.monotonicMs() - sinceMs) / 1000)
  return {
    failed(error, fields) {
      const nowMs = clock.monotonicMs()
      const isNew = !reasons.has(error.reason)
      if (sinceMs === undefined) {
        sinceMs = nowMs
        nextMs = nowMs + gapMs
      }
      reasons.add(error.reason)
      if (isNew) return log.warn(lost, { ...fields, error })
      if (nowMs < nextMs) return log.debug(lost, { ...fields, error })
      gapMs = Math.min(2 * gapMs, lastGapMs)
      nextMs = nowMs + gapMs
      log.warn(lost, { ...fields, error, awaySeconds: awaySeconds() })
    },
    over() {
      if (sinceMs === undefined) return
      log.info(back, { awaySeconds: awaySeconds() })
      reasons.clear()
      sinceMs = undefined
      gapMs = firstGapMs
    },
  }
}
