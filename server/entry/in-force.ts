import type { Entry } from '../../src/entry/entry.ts'

/** Whether anybody gets anything by the entry: what has expired, or is disabled, is there for operators alone. */
export function isInForce(
  { expiresAt, disabledAt }: Pick<Entry, 'expiresAt' | 'disabledAt'>,
  now: Date,
): boolean {
  return (
    disabledAt === undefined && (expiresAt === undefined || expiresAt.getTime() > now.getTime())
  )
}
