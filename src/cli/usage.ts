import { CountersignError } from '../errors.ts'

/** What is wrong on the command line itself: the verb ends with 64, and `fix` says what to write. */
export function usage(message: string, fix: string | undefined, cause?: unknown): CountersignError {
  return new CountersignError('invalid', message, { reason: 'usage', fix, cause })
}
