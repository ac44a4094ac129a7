import { TrustDomain } from '../../src/spiffe-id/spiffe-id.ts'
import type { RuleContext } from './entry-input.ts'
import { refusedEntry } from './refused-entry.ts'

export const maxFederatesWith = 100

/** Sorted, each once, frozen. Throws `invalid` / `entry-federates-with`. */
export function checkFederatesWith(
  names: readonly string[],
  context: RuleContext,
): readonly TrustDomain[] {
  const reason = 'entry-federates-with'
  if (names.length > maxFederatesWith) {
    throw refusedEntry(reason, `an entry federates with at most ${maxFederatesWith} trust domains`)
  }
  const checked = names.map((name) => {
    const trustDomain = parseTrustDomain(name)
    if (trustDomain === context.trustDomain) {
      throw refusedEntry(reason, 'an entry cannot federate with its own trust domain')
    }
    const had = context.current?.federatesWith.includes(trustDomain) === true
    if (!had && !context.knowsTrustDomain(trustDomain)) {
      throw refusedEntry(reason, `there is no bundle of the trust domain ${trustDomain}`, {
        fix: 'get it first, with: countersign federation create, or: countersign bundle set',
      })
    }
    return trustDomain
  })
  return Object.freeze([...new Set(checked)].sort())
}

function parseTrustDomain(name: string): TrustDomain {
  try {
    return TrustDomain.parseIdOrName(name)
  } catch (cause) {
    throw refusedEntry('entry-federates-with', 'a trust domain to federate with is not valid', {
      cause,
    })
  }
}
