import type { Entry, Selector } from '../../src/entry/entry.ts'
import {
  checkSelector,
  maxSelectors,
  selectorKey,
  sortSelectors,
} from '../../src/entry/selector.ts'
import { CountersignError } from '../../src/errors.ts'
import type { SpiffeId, TrustDomain } from '../../src/spiffe-id/spiffe-id.ts'
import { maxFederatesWith } from './federates-with.ts'
import { maxLabels } from './labels.ts'

/**
 * How an entry's set compares with the one that is asked for: `exact` the same, `subset` nothing
 * else than these, `superset` all of these, `any` at least one of these.
 */
export type SetMatch = 'exact' | 'subset' | 'superset' | 'any'

/** What a list is narrowed to; each field that is there must hold. */
export interface EntryFilter {
  readonly id?: string | undefined
  readonly spiffeId?: SpiffeId | undefined
  readonly parentId?: SpiffeId | undefined
  readonly selectors?:
    | { readonly match: SetMatch; readonly selectors: readonly Selector[] }
    | undefined
  readonly federatesWith?:
    | { readonly match: SetMatch; readonly trustDomains: readonly TrustDomain[] }
    | undefined
  readonly hint?: string | undefined
  readonly downstream?: boolean | undefined
  readonly owner?: string | undefined
  readonly disabled?: boolean | undefined
  /** Each of these, with this value. */
  readonly labels?: Readonly<Record<string, string>> | undefined
}

/** Throws `invalid` / `entry-filter` where a set to compare with is empty or too large, or a selector's reason. */
export function checkFilter(filter: EntryFilter): EntryFilter {
  if (filter.selectors !== undefined) {
    checkCount(filter.selectors.selectors.length, maxSelectors, 'selectors')
    for (const selector of filter.selectors.selectors) checkSelector(selector)
  }
  if (filter.federatesWith !== undefined) {
    checkCount(filter.federatesWith.trustDomains.length, maxFederatesWith, 'trust domains')
  }
  if (Object.keys(filter.labels ?? {}).length > maxLabels) {
    throw refused(`a filter has at most ${maxLabels} labels`)
  }
  return filter
}

function checkCount(count: number, max: number, what: string): void {
  if (count === 0 || count > max) throw refused(`a filter by ${what} names 1 to ${max} of them`)
}

function refused(message: string): CountersignError {
  return new CountersignError('invalid', message, { reason: 'entry-filter' })
}

/** The filter as a function; what can be prepared is prepared once. */
export function matcherOf(filter: EntryFilter): (entry: Entry) => boolean {
  const tests: ((entry: Entry) => boolean)[] = []
  const { id, spiffeId, parentId, hint, downstream, owner, disabled } = filter
  if (id !== undefined) tests.push((entry) => entry.id === id)
  if (spiffeId !== undefined) tests.push((entry) => entry.spiffeId === spiffeId)
  if (parentId !== undefined) tests.push((entry) => entry.parentId === parentId)
  if (hint !== undefined) tests.push((entry) => entry.hint === hint)
  if (downstream !== undefined) tests.push((entry) => entry.downstream === downstream)
  if (owner !== undefined) tests.push((entry) => entry.owner === owner)
  if (disabled !== undefined) {
    tests.push((entry) => (entry.disabledAt !== undefined) === disabled)
  }
  for (const [key, value] of Object.entries(filter.labels ?? {})) {
    tests.push((entry) => Object.hasOwn(entry.labels, key) && entry.labels[key] === value)
  }
  if (filter.federatesWith !== undefined) {
    const { match, trustDomains } = filter.federatesWith
    const compare = comparison(match, trustDomains)
    tests.push((entry) => compare(entry.federatesWith))
  }
  if (filter.selectors !== undefined) {
    const passes = matchesSelectors(filter.selectors.selectors, filter.selectors.match)
    tests.push((entry) => passes(entry.selectors))
  }
  return (entry) => tests.every((test) => test(entry))
}

/** Compares selectors (each once) with the wanted ones. */
export function matchesSelectors(
  wanted: readonly Selector[],
  match: SetMatch,
): (selectors: readonly Selector[]) => boolean {
  const compare = comparison(match, wanted.map(selectorKey))
  return (selectors) => compare(selectors.map(selectorKey))
}

/** Compares a set (each item once) with the wanted one. */
function comparison(
  match: SetMatch,
  items: readonly string[],
): (set: readonly string[]) => boolean {
  const wanted = new Set(items)
  const has = (item: string): boolean => wanted.has(item)
  switch (match) {
    case 'exact':
      return (set) => set.length === wanted.size && set.every(has)
    case 'subset':
      return (set) => set.length > 0 && set.every(has)
    case 'superset':
      return (set) => set.filter(has).length === wanted.size
    case 'any':
      return (set) => set.some(has)
  }
}

/** The same text for two filters that ask for the same, whatever order their parts came in. */
export function canonicalFilter(filter: EntryFilter): string {
  const { selectors, federatesWith, labels } = filter
  return JSON.stringify([
    filter.id ?? null,
    filter.spiffeId ?? null,
    filter.parentId ?? null,
    selectors === undefined
      ? null
      : [selectors.match, ...sortSelectors(selectors.selectors).map(selectorKey)],
    federatesWith === undefined
      ? null
      : [federatesWith.match, ...new Set(federatesWith.trustDomains.toSorted())],
    filter.hint ?? null,
    filter.downstream ?? null,
    filter.owner ?? null,
    filter.disabled ?? null,
    Object.entries(labels ?? {}).sort(([a], [b]) => (a < b ? -1 : 1)),
  ])
}
