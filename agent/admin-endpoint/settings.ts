import { dirname } from 'node:path'
import { CountersignError } from '../../src/errors.ts'
import { SpiffeId, type TrustDomain } from '../../src/spiffe-id/spiffe-id.ts'

/**
 * What is for operators stands in no folder that workloads have to reach. Throws `invalid` /
 * `config-admin-socket`.
 */
export function apartFrom(socket: string, adminSocket: string | undefined): string | undefined {
  if (adminSocket === undefined || dirname(adminSocket) !== dirname(socket)) return adminSocket
  throw new CountersignError('invalid', 'admin_socket is in the folder of the public socket', {
    reason: 'config-admin-socket',
    fix: 'give it a folder of its own, such as admin/ beside public/',
  })
}

/**
 * An ID that no workload of this node can hold, or that nobody could show it on, is a mistake. Throws
 * `invalid` / `config-delegates`.
 */
export function delegatesOf(
  trustDomain: TrustDomain,
  said: {
    readonly admin_socket?: string | undefined
    readonly authorized_delegates?: readonly SpiffeId[] | undefined
  },
): ReadonlySet<SpiffeId> {
  const delegates = said.authorized_delegates ?? []
  const foreign = delegates.find((id) => SpiffeId.trustDomainOf(id) !== trustDomain)
  if (foreign !== undefined || (delegates.length > 0 && said.admin_socket === undefined)) {
    throw new CountersignError(
      'invalid',
      foreign === undefined
        ? 'authorized_delegates needs admin_socket, where delegates ask'
        : `authorized_delegates names ${foreign}, which is of another trust domain`,
      { reason: 'config-delegates', fix: 'name IDs of trust_domain, and set admin_socket' },
    )
  }
  return new Set(delegates)
}
