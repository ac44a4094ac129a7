import type { CountersignError, ErrorCode } from '../../src/errors.ts'

const passing: ReadonlySet<ErrorCode> = new Set([
  'unavailable',
  'deadline',
  'exhausted',
  'cancelled',
  'internal',
])

/** Whether an answer says nothing about who asks, or what for: a server that is away, overloaded, or cut off in the middle. */
export function isPassing(error: CountersignError): boolean {
  return passing.has(error.code)
}
