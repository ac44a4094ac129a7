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
    const message = match === null ? `not a duration: ${text}` : 'not from one second to ten years'
    throw new CountersignError('invalid', message, {
      reason: 'duration',
      fix: 'write it as 90s, 15m, 24h or 7d',
    })
  }
  return seconds
}

/** As `parseDuration` reads it, in the largest unit that it is a whole number of. */
export function formatDuration(seconds: number): string {
  const units = Object.entries(unitSeconds).toReversed()
  const [unit, size] = units.find(([, size]) => seconds % size === 0) ?? ['s', 1]
  return `${seconds / size}${unit}`
}
