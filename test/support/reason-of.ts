import { CountersignError } from '../../src/errors.ts'

/** The reason of the error that the call ends with, or `accepted`. Throws what is no error of ours. */
export async function reasonOf(call: Promise<unknown>): Promise<string> {
  try {
    await call
    return 'accepted'
  } catch (error) {
    if (error instanceof CountersignError) return error.reason
    throw error
  }
}
