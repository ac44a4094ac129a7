import { asCountersignError } from '../errors.ts'
import type { Clock } from './clock.ts'
import type { Log } from './log.ts'

type Fields = Readonly<Record<string, unknown>>

/** What the log says of something that is tried again and again. */
export interface Outage {
  /** Is said the first time, with each reason that is new, and from then on ever more seldom. */
  failed(error: unknown, fields?: Fields): void
  over(fields?: Fields): void
  /** Whether what was tried last has failed. */
  readonly isOn: boolean
}

const firstGapMs = 60_000
const lastGapMs = 3_600_000

/** `lost` and `back`: the words of the log; `level` is that of the first, a warning unless told. */
export function createOutage(deps: {
  readonly lost: string
  readonly back: string
  readonly level?: 'warn' | 'error'
  readonly clock: Pick<Clock, 'monotonicMs'>
  readonly log: Pick<Log, 'error' | 'warn' | 'info' | 'debug'>
}): Outage {
  const { lost, back, level = 'warn', clock, log } = deps
  const reasons = new Set<string>()
  let sinceMs: number | undefined
  let gapMs = firstGapMs
  let nextMs = 0
  const awaySeconds = (): number =>
    sinceMs === undefined ? 0 : Math.round((clock.monotonicMs() - sinceMs) / 1000)
  return {
    failed(error, fields) {
      const nowMs = clock.monotonicMs()
      const { reason } = asCountersignError(error)
      const isNew = !reasons.has(reason)
      if (sinceMs === undefined) {
        sinceMs = nowMs
        nextMs = nowMs + gapMs
      }
      reasons.add(reason)
      if (isNew) return log[level](lost, { ...fields, error })
      if (nowMs < nextMs) return log.debug(lost, { ...fields, error })
      gapMs = Math.min(2 * gapMs, lastGapMs)
      nextMs = nowMs + gapMs
      log[level](lost, { ...fields, error, awaySeconds: awaySeconds() })
    },
    over(fields) {
      if (sinceMs === undefined) return
      log.info(back, { ...fields, awaySeconds: awaySeconds() })
      reasons.clear()
      sinceMs = undefined
      gapMs = firstGapMs
    },
    get isOn() {
      return sinceMs !== undefined
    },
  }
}
