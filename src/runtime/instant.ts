const shape =
  /^([0-9]{4})-([0-9]{2})-([0-9]{2})(?:T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?(?:Z|[+-][0-9]{2}:[0-9]{2}))?$/

/**
 * An instant as RFC 3339 §5.6 writes it, or a date alone, which is its beginning in UTC. Undefined for all else: a time
 * without its zone, which would be another on another machine, and a day that its month does not have.
 */
export function parseInstant(text: string): Date | undefined {
  const [, year, month, day] = shape.exec(text) ?? []
  const instant = new Date(text)
  if (day === undefined || Number.isNaN(instant.getTime())) return undefined
  const midnight = new Date(Date.UTC(Number(year), Number(month) - 1, Number(day)))
  return midnight.getUTCDate() === Number(day) ? instant : undefined
}

/** The wire counts in seconds: what does so here too reads the same everywhere. */
export function wholeSeconds(at: Date): Date {
  return new Date(Math.floor(at.getTime() / 1000) * 1000)
}
