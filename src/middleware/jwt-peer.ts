import { CountersignError } from '../errors.ts'
import type { JwtPeer } from './jwt-check.ts'

// Nothing that a header, a body or another middleware can set.
const peers = new WeakMap<object, JwtPeer>()

export function setJwtPeer(request: object, peer: JwtPeer): void {
  peers.set(request, peer)
}

/**
 * Who sent a request that came through `requireJwtSvid`. Throws `unauthenticated`, `peer-unchecked`, for
 * any other.
 */
export function jwtPeerOf(request: object): JwtPeer {
  const peer = peers.get(request)
  if (peer !== undefined) return peer
  throw new CountersignError('unauthenticated', 'nobody checked who sent this request', {
    reason: 'peer-unchecked',
    fix: 'put requireJwtSvid in front of this handler',
  })
}
