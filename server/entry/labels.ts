import { problemOfText } from '../../src/entry/selector.ts'
import { refusedEntry } from './refused-entry.ts'

export const maxLabels = 32
const maxLabelBytes = 256
const labelKeyPattern = /^[a-z0-9][a-z0-9._/-]{0,62}$/

/** Sorted by key, frozen. Throws `invalid` / `entry-labels`. */
export function checkLabels(
  labels: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  const reason = 'entry-labels'
  const pairs = Object.entries(labels)
  if (pairs.length > maxLabels)
    throw refusedEntry(reason, `an entry has at most ${maxLabels} labels`)
  for (const [key, value] of pairs) {
    if (!labelKeyPattern.test(key)) {
      throw refusedEntry(
        reason,
        "a label's key is 1 to 63 of a-z 0-9 . _ / - and begins with a letter or a digit",
      )
    }
    const problem = problemOfText(value, maxLabelBytes)
    if (problem !== undefined)
      throw refusedEntry(reason, `the value of the label ${key} ${problem}`)
  }
  return Object.freeze(Object.fromEntries(pairs.sort(([a], [b]) => (a < b ? -1 : 1))))
}
