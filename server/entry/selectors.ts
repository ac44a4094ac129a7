import type { Selector } from '../../src/entry/entry.ts'
import {
  checkSelector,
  knownSelectorTypes,
  maxSelectors,
  sortSelectors,
} from '../../src/entry/selector.ts'
import { CountersignError } from '../../src/errors.ts'
import { nearest } from '../../src/runtime/suggest.ts'
import type { RuleContext } from './entry-input.ts'
import { refusedEntry } from './refused-entry.ts'

/**
 * Sorted, each once, frozen. Without a context the types are not looked at. Throws `invalid` /
 * `entry-selectors`, `selector-…`.
 */
export function checkSelectors(
  given: readonly Selector[],
  context: RuleContext | undefined,
): readonly Selector[] {
  if (given.length === 0 || given.length > maxSelectors) {
    throw refusedEntry('entry-selectors', `an entry has 1 to ${maxSelectors} selectors`)
  }
  const selectors = sortSelectors(given.map(checkSelector))
  for (const type of new Set(selectors.map((selector) => selector.type))) {
    if (context !== undefined) checkSelectorType(type, context)
  }
  return Object.freeze(selectors)
}

/** What no attestor says of a workload matches nobody: it is a slip of the pen, or needs a word from the operator. */
function checkSelectorType(type: string, { selectorTypes, current }: RuleContext): void {
  if (knownSelectorTypes.has(type) || selectorTypes.includes(type)) return
  if (current?.selectors.some((selector) => selector.type === type) === true) return
  // `uid:1000` lacks its type: what stands there is a word of one.
  const [owner] = [...knownSelectorTypes].find(([, words]) => words.includes(type)) ?? []
  const meant =
    owner === undefined
      ? nearest(type, [...knownSelectorTypes.keys(), ...selectorTypes])
      : `${owner}:${type}`
  const question = meant === undefined ? '' : `; did you mean "${meant}"?`
  throw new CountersignError(
    'invalid',
    `no known attestor has selectors of type "${type}"${question}`,
    {
      reason: 'selector-type-unknown',
      fix: "a type that an attestor of your own has is listed in the server's selector_types",
    },
  )
}
