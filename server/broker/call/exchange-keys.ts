import type { Clock } from '../../../src/runtime/clock.ts'
import type { CredentialRecord } from '../keys/credential-file.ts'
import type { VendorKey } from '../keys/vendor-key.ts'
import { isSameVendor, type Route } from '../routes/routes.ts'
import type { ExchangeKeys } from '../vendor/forward.ts'
import { isTooOld } from './admission.ts'

/** So long a vendor may go on to take a key that another is in the place of, or not take that one yet. */
const overlapMs = 3_600_000

/** The keys that a call which began by a route may be sent with, by then: none that is of another vendor. */
export function exchangeKeys(
  begun: Route,
  deps: {
    readonly routes: () => ReadonlyMap<string, Route>
    readonly record: (integration: string) => CredentialRecord | undefined
    readonly onFallback: (key: 'current' | 'previous') => void
    readonly clock: Pick<Clock, 'now'>
  },
): ExchangeKeys {
  const { id } = begun.integration
  const byNow = (): Route => {
    const route = deps.routes().get(id)
    return route !== undefined && isSameVendor(route.integration, begun.integration) ? route : begun
  }
  return {
    usable: () => usableKeys(byNow(), deps.record(id), deps.clock.now()),
    forms() {
      const { keys } = byNow()
      return keys === begun.keys ? keys.forms : [...begun.keys.forms, ...keys.forms]
    },
    fellBack: (key) => deps.onFallback(key === byNow().keys.previous ? 'previous' : 'current'),
  }
}

/** The one that is in use first; the one before for as long as its vendor may take it, and no longer than a key may be used. */
function usableKeys(
  { integration, keys }: Route,
  record: CredentialRecord | undefined,
  now: Date,
): readonly [VendorKey, ...VendorKey[]] {
  const { current, previous } = keys
  const known = record?.previous
  if (previous === undefined || known === undefined) return [current]
  const isOver = now.getTime() - known.replacedAt.getTime() > overlapMs
  return isOver || isTooOld(known.since, integration.maxAgeSeconds, now)
    ? [current]
    : [current, previous]
}
