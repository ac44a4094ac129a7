import { CountersignError } from '../errors.ts'

const unitSeconds = { s: 1, m: 60, h: 3600, d: 86_400 } as const

/**
 * Whole seconds of `90`, `90s`, `15m`, `24h`, `7d`. Throws `invalid` / `duration` for anything else,
 * for 0 and for more than ten years.
 */
export function parseDuration(text: string | number): number {
  const match = /^([0-9]{1,9})(s|m|h|d)?$/.exec(String(text))
  const unit = (match?.[2] ?? 's') as keyof typeof unitSeconds
  const seconds = Number(match?.[1]) * unitSeconds[unit]
  if (!Number.isSafeInteger(seconds) || seconds < 1 || seconds > 10 * 366 * 86_400) {
    throw new CountersignError('invalid', 'not a duration', {
      reason: 'duration',
      fix: 'write it as 90s, 15m, 24h or 7d',
    })
  }
  return seconds
}
