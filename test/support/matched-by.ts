import type { Selector } from '../../src/entry/entry.ts'
import { selectorKey } from '../../src/entry/selector.ts'

/** What the indexes have to come to: whether each of `part` is among `whole`. An empty `part` is not: what asks for nothing matches nobody. */
export function isMatchedBy(part: readonly Selector[], whole: readonly Selector[]): boolean {
  if (part.length === 0) return false
  const keys = new Set(whole.map(selectorKey))
  return part.every((selector) => keys.has(selectorKey(selector)))
}
