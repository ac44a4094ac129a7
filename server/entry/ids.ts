import { CountersignError } from '../../src/errors.ts'
import { isAgentId, isReserved, serverId } from '../../src/spiffe-id/reserved.ts'
import { SpiffeId, type TrustDomain } from '../../src/spiffe-id/spiffe-id.ts'
import type { EntryInput, RuleContext } from './entry-input.ts'
import { refusedEntry } from './refused-entry.ts'

const maxIdLength = 255
const idPattern = /^[A-Za-z0-9._-]+$/

/** Its own id, in the registry. Throws `invalid` / `entry-id`. */
export function checkId(id: string | undefined, context: RuleContext): string {
  if (id === undefined || id === '') return context.newId()
  if (id.length > maxIdLength || !idPattern.test(id)) {
    throw refusedEntry('entry-id', `an entry's id is at most ${maxIdLength} of A-Z a-z 0-9 . _ -`)
  }
  return id
}

function parseId(text: string, trustDomain: TrustDomain, reason: string, what: string): SpiffeId {
  const fix = `write it as spiffe://${trustDomain}/<path>`
  let id: SpiffeId
  try {
    id = SpiffeId.parse(text)
  } catch (cause) {
    const why = cause instanceof CountersignError ? `: ${cause.message}` : ''
    throw refusedEntry(reason, `${what} is not valid${why}`, { fix, cause })
  }
  if (SpiffeId.trustDomainOf(id) !== trustDomain) {
    throw refusedEntry(reason, `${what} is not in the trust domain ${trustDomain}`, { fix })
  }
  if (SpiffeId.pathOf(id) === '') throw refusedEntry(reason, `${what} has no path`, { fix })
  return id
}

/** Throws `invalid` / `entry-spiffe-id`. */
export function checkSpiffeId(text: string, trustDomain: TrustDomain): SpiffeId {
  const id = parseId(text, trustDomain, 'entry-spiffe-id', 'the SPIFFE ID')
  if (isReserved(id)) {
    throw refusedEntry('entry-spiffe-id', 'paths below /spire belong to servers and agents', {
      fix: 'choose another path',
    })
  }
  return id
}

/** Throws `invalid` / `entry-parent-id`. */
export function checkParentId(
  text: string,
  spiffeId: SpiffeId,
  trustDomain: TrustDomain,
): SpiffeId {
  const id = parseId(text, trustDomain, 'entry-parent-id', 'the parent ID')
  if (id === spiffeId) throw refusedEntry('entry-parent-id', 'an entry cannot be its own parent')
  if (isReserved(id) && id !== serverId(trustDomain) && !isAgentId(id)) {
    throw refusedEntry(
      'entry-parent-id',
      'below /spire only the server and agents can be a parent',
      {
        fix: 'see which agents there are with: countersign agent list',
      },
    )
  }
  return id
}

const probePath = '/spire-controller-manager/unsupported-fields-test'

/**
 * SPIRE's controller manager for Kubernetes finds out which fields a server has by making this entry
 * and deleting it. Its own parent, and of a selector type that nobody has, it can be nobody's.
 */
export function isCapabilityProbe(input: EntryInput, spiffeId: SpiffeId): boolean {
  return input.parentId === spiffeId && SpiffeId.pathOf(spiffeId) === probePath
}
