import type { Bundle } from '../bundle/bundle.ts'
import { CountersignError } from '../errors.ts'

/**
 * Whether a fetched bundle may take the place of the one that is held (T9): its sequence number is not
 * lower (SPIFFE Federation §4.2), it does not empty what had authorities, and no two of its JWT keys
 * share a key ID. Throws `conflict` (`federation-sequence`, `federation-empty`) and
 * `invalid` / `bundle-key-id`.
 */
export function checkSuccessor(fetched: Bundle, held: Bundle | undefined): void {
  const { jwtAuthorities } = fetched
  if (new Set(jwtAuthorities.map(({ keyId }) => keyId)).size < jwtAuthorities.length) {
    throw new CountersignError('invalid', 'two JWT authorities have the same key ID', {
      reason: 'bundle-key-id',
    })
  }
  if (held === undefined) return
  if (fetched.sequence < held.sequence) {
    throw new CountersignError(
      'conflict',
      'the fetched bundle is older than the one that is held',
      {
        reason: 'federation-sequence',
        fix: 'if the other trust domain began anew, set its bundle by hand',
      },
    )
  }
  if (isEmpty(fetched) && !isEmpty(held)) {
    throw new CountersignError('conflict', 'the fetched bundle has no authority left', {
      reason: 'federation-empty',
      fix: 'if nothing of the other trust domain is to be believed any more, delete its bundle',
    })
  }
}

function isEmpty({ x509Authorities, jwtAuthorities }: Bundle): boolean {
  return x509Authorities.length + jwtAuthorities.length === 0
}
