import { CountersignError, type ErrorOptions } from '../../src/errors.ts'

/** `invalid` with the reason of the rule that an entry breaks. */
export function refusedEntry(
  reason: string,
  message: string,
  why: Pick<ErrorOptions, 'fix' | 'cause'> = {},
): CountersignError {
  return new CountersignError('invalid', message, { reason, ...why })
}
