import type { Socket } from 'node:net'
import type { Clock } from '../../src/runtime/clock.ts'
import { Shares } from './shares.ts'

/** One accepted connection, as far as its share and its idleness go. */
export interface Connection {
  readonly uid: number
  readonly socket: Socket
  /** In descriptors. */
  cost: number
  calls: number
  idleSinceMs: number
}

/**
 * Who may connect. A user whose share is used up gets room by losing a connection that has long had
 * no call, the longest idle first; where there is none, the new connection is refused.
 */
export class Connections {
  readonly #shares: Shares
  readonly #clock: Clock
  readonly #idleMs: number
  /** By uid, in the order in which they became idle. */
  readonly #idle = new Map<number, Set<Connection>>()
  #refused = 0
  #evicted = 0

  constructor(clock: Clock, options: { readonly capacity: number; readonly idleMs: number }) {
    this.#clock = clock
    this.#shares = new Shares(options.capacity)
    this.#idleMs = options.idleMs
  }

  get stats(): { descriptors: number; users: number; refused: number; evicted: number } {
    return {
      descriptors: this.#shares.total,
      users: this.#shares.users,
      refused: this.#refused,
      evicted: this.#evicted,
    }
  }

  /** undefined where the user's share is used up. Its place is free again when the socket has closed. */
  admit(socket: Socket, uid: number, cost: number): Connection | undefined {
    if (!this.#shares.take(uid, cost) && !this.#evictFor(uid, cost)) {
      this.#refused += 1
      return undefined
    }
    const connection: Connection = { uid, socket, cost, calls: 0, idleSinceMs: 0 }
    this.#rest(connection)
    socket.once('close', () => this.#remove(connection))
    return connection
  }

  /** False, and nothing has changed, where the user's share has no room for that. */
  grow(connection: Connection, cost: number): boolean {
    if (connection.socket.destroyed || !this.#shares.take(connection.uid, cost)) return false
    connection.cost += cost
    return true
  }

  callBegun(connection: Connection): void {
    connection.calls += 1
    if (connection.calls === 1) this.#wake(connection)
  }

  callEnded(connection: Connection): void {
    connection.calls -= 1
    if (connection.calls === 0 && !connection.socket.destroyed) this.#rest(connection)
  }

  #rest(connection: Connection): void {
    connection.idleSinceMs = this.#clock.monotonicMs()
    const idle = this.#idle.get(connection.uid)
    if (idle === undefined) this.#idle.set(connection.uid, new Set([connection]))
    else idle.add(connection)
  }

  #wake(connection: Connection): void {
    const idle = this.#idle.get(connection.uid)
    idle?.delete(connection)
    if (idle?.size === 0) this.#idle.delete(connection.uid)
  }

  #remove(connection: Connection): void {
    if (connection.calls === 0) this.#wake(connection)
    // An evicted one gave its share back as it was cut.
    if (connection.idleSinceMs !== evicted) this.#shares.give(connection.uid, connection.cost)
  }

  /** Hands the place of the longest idle connection on: the user holds no more than before. */
  #evictFor(uid: number, cost: number): boolean {
    const [longest] = this.#idle.get(uid) ?? []
    if (longest === undefined || longest.cost < cost) return false
    if (this.#clock.monotonicMs() - longest.idleSinceMs < this.#idleMs) return false
    this.#wake(longest)
    this.#shares.give(uid, longest.cost - cost)
    longest.idleSinceMs = evicted
    longest.socket.destroy()
    this.#evicted += 1
    return true
  }
}

const evicted = Number.NEGATIVE_INFINITY
