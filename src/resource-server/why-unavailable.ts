import { CountersignError } from '../errors.ts'

const maxCauses = 5

/**
 * What is in the way, and what is beneath it, for an operator: messages of ours, codes of Node, and names of other errors.
 * What else those say may be anything, and is not told on.
 */
export function whyUnavailable(error: unknown): string {
  const words: string[] = []
  for (let at = error; at instanceof Error && words.length < maxCauses; at = at.cause) {
    words.push(wordsOf(at))
  }
  return words.join(': ') || 'no error'
}

function wordsOf(error: Error): string {
  if (error instanceof CountersignError) return error.message
  const { code, name } = error as NodeJS.ErrnoException
  return [code, name].find((word) => typeof word === 'string' && /^\w{1,64}$/.test(word)) ?? 'Error'
}
