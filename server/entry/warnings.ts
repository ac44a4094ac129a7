import type { Entry, Selector } from '../../src/entry/entry.ts'
import { knownSelectorTypes } from '../../src/entry/selector.ts'
import { nearest } from '../../src/runtime/suggest.ts'
import type { SpiffeId } from '../../src/spiffe-id/spiffe-id.ts'

export interface WarningContext {
  /** Whether there is an agent, an entry or a server with this ID. */
  knowsId(id: SpiffeId): boolean
}

/** What is allowed but probably not meant, one sentence each, for people. Never a whole selector value. */
export function warningsFor(entry: Entry, context: WarningContext): readonly string[] {
  const warnings = entry.selectors.flatMap(warningsForSelector)
  if (!context.knowsId(entry.parentId)) {
    warnings.push(
      `no agent and no entry has the parent ID ${entry.parentId} yet: nobody gets this identity until one has`,
    )
  }
  if (entry.selectors.every(isRoot)) {
    warnings.push('its selectors are those of root: every process of root gets this identity')
  }
  if (entry.disabledAt !== undefined) {
    warnings.push('it is disabled: nobody gets this identity until "countersign entry enable"')
  }
  if (entry.admin) warnings.push('whoever holds this identity may administer the whole server')
  return [...new Set(warnings)]
}

function warningsForSelector({ type, value }: Selector): string[] {
  const words = knownSelectorTypes.get(type) ?? []
  const colon = value.indexOf(':')
  const word = colon < 0 ? value : value.slice(0, colon)
  if (words.length === 0 || (colon >= 0 && words.includes(word))) return []
  const meant = nearest(word, words)
  const begins = `a selector begins as none of type "${type}" does`
  return meant === undefined
    ? [`${begins}; they begin with ${words.map((one) => `${type}:${one}:`).join(', ')}`]
    : [`${begins}; did you mean "${type}:${meant}:"?`]
}

const rootSelectors: ReadonlySet<string> = new Set(['uid:0', 'user:root', 'gid:0', 'group:root'])

function isRoot({ type, value }: Selector): boolean {
  return type === 'unix' && rootSelectors.has(value)
}
