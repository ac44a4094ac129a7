import { CountersignError } from '../../src/errors.ts'
import { selectorFromWire, spiffeIdFromWire } from '../../src/rpc/convert.ts'
import type { Filter as WireFilter } from '../../src/rpc/gen/countersign/registry/v1/Filter.ts'
import type { ListEntriesRequest } from '../../src/rpc/gen/spire/api/server/entry/v1/ListEntriesRequest.ts'
import { TrustDomain } from '../../src/spiffe-id/spiffe-id.ts'
import { checkFilter, type EntryFilter, type SetMatch } from '../entry/filter.ts'

type WireMatch = NonNullable<NonNullable<ListEntriesRequest['filter']>['by_selectors']>['match']

const setMatches: Readonly<Record<WireMatch, SetMatch>> = {
  MATCH_EXACT: 'exact',
  MATCH_SUBSET: 'subset',
  MATCH_SUPERSET: 'superset',
  MATCH_ANY: 'any',
}

/** Throws `invalid` / `entry-filter` for a number that has no name, which the wire carries as it came. */
export function setMatchFromWire(match: WireMatch): SetMatch {
  const known: SetMatch | undefined = setMatches[match]
  if (known === undefined) {
    throw new CountersignError('invalid', 'a filter compares sets in a way that is not known', {
      reason: 'entry-filter',
    })
  }
  return known
}

/** SPIRE's filter as ours. Throws `invalid`, reasons `spiffe-id-…`, `trust-domain-…`, `entry-filter`. */
export function filterFromWire(wire: ListEntriesRequest['filter']): EntryFilter {
  if (wire === null) return {}
  const { by_spiffe_id, by_parent_id, by_selectors, by_federates_with } = wire
  return checkFilter({
    spiffeId: by_spiffe_id === null ? undefined : spiffeIdFromWire(by_spiffe_id),
    parentId: by_parent_id === null ? undefined : spiffeIdFromWire(by_parent_id),
    selectors:
      by_selectors === null
        ? undefined
        : {
            match: setMatchFromWire(by_selectors.match),
            selectors: by_selectors.selectors.map(selectorFromWire),
          },
    federatesWith:
      by_federates_with === null
        ? undefined
        : {
            match: setMatchFromWire(by_federates_with.match),
            trustDomains: by_federates_with.trust_domains.map((name) =>
              TrustDomain.parseIdOrName(name),
            ),
          },
    hint: wire.by_hint?.value,
    downstream: wire.by_downstream?.value,
  })
}

/** As `filterFromWire`, with owner, labels and whether it is disabled. */
export function registryFilterFromWire(wire: WireFilter | null): EntryFilter {
  if (wire === null) return {}
  return checkFilter({
    ...filterFromWire(wire.entry),
    owner: wire.owner === '' ? undefined : wire.owner,
    labels: wire.labels,
    disabled: wire.disabled?.value,
  })
}
