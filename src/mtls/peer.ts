import type { Duplex } from 'node:stream'
import { CountersignError } from '../errors.ts'
import type { SpiffeId } from '../spiffe-id/spiffe-id.ts'

/** Who is at the other end: checked against the bundle of its own trust domain, and let in. */
export interface Peer {
  readonly spiffeId: SpiffeId
}

// A property and no WeakMap: HTTP/2 shows its socket through a proxy.
const mark = Symbol('peer')

export function setPeer(socket: Duplex, peer: Peer): void {
  Object.defineProperty(socket, mark, { value: peer })
}

/**
 * Who is at the other end of a socket, or sent a request, of one of the servers and clients here.
 * Throws `unauthenticated`, `peer-unchecked`, where the connection is none of them.
 */
export function peerOf(from: Duplex | { readonly socket: Duplex }): Peer {
  const socket = 'socket' in from ? from.socket : from
  const peer = (socket as { readonly [mark]?: Peer })[mark]
  if (peer !== undefined) return peer
  throw new CountersignError('unauthenticated', 'nobody checked who is at the other end', {
    reason: 'peer-unchecked',
    fix: 'make the server or the connection with one of the functions of this library',
  })
}
