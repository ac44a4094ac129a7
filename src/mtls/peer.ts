import type { Duplex } from 'node:stream'
import { CountersignError } from '../errors.ts'
import type { SpiffeId } from '../spiffe-id/spiffe-id.ts'
import type { Retirement } from './tenure.ts'

/** Who is at the other end: checked against the bundle of its own trust domain, and let in. */
export interface Peer {
  readonly spiffeId: SpiffeId
}

interface Standing extends Retirement {
  readonly peer: Peer
}

// A property and no WeakMap: HTTP/2 shows its socket through a proxy.
const mark = Symbol('standing')

export function setStanding(socket: Duplex, standing: Standing): void {
  Object.defineProperty(socket, mark, { value: standing })
}

/** What is known of one is known of the other. */
export function shareStanding(from: Duplex, to: Duplex): void {
  const standing = standingOf(from)
  if (standing !== undefined) setStanding(to, standing)
}

function standingOf(socket: Duplex): Standing | undefined {
  return (socket as { readonly [mark]?: Standing })[mark]
}

export function isRetiring(socket: Duplex): boolean {
  return standingOf(socket)?.isRetiring() ?? false
}

/** Calls back once nothing more should begin on the connection. */
export function onRetiring(socket: Duplex, listener: () => void): void {
  standingOf(socket)?.onRetiring(listener)
}

/**
 * Who is at the other end of a socket, or sent a request, of one of the servers and clients here.
 * Throws `unauthenticated`, `peer-unchecked`, where the connection is none of them.
 */
export function peerOf(from: Duplex | { readonly socket: Duplex }): Peer {
  const standing = standingOf('socket' in from ? from.socket : from)
  if (standing !== undefined) return standing.peer
  throw new CountersignError('unauthenticated', 'nobody checked who is at the other end', {
    reason: 'peer-unchecked',
    fix: 'make the server or the connection with one of the functions of this library',
  })
}
