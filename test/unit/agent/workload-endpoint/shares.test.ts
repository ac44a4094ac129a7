import { EventEmitter } from 'node:events'
import type { Socket } from 'node:net'
import { describe, expect, test } from 'vitest'
import { type Connection, Connections } from '../../../../agent/workload-endpoint/connections.ts'
import { Shares } from '../../../../agent/workload-endpoint/shares.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'

function fill(shares: Shares, uid: number): number {
  let taken = 0
  while (shares.take(uid, 1)) taken += 1
  return taken
}

describe('T13 shares', () => {
  test('give one user at most half of what the others leave', () => {
    const shares = new Shares(100)
    expect([1, 2, 3, 4].map((uid) => fill(shares, uid))).toEqual([50, 25, 12, 6])
    expect(shares.take(5, 1)).toBe(true)
    expect(shares.total).toBe(94)
  })

  test('are free again when they are given back', () => {
    const shares = new Shares(10)
    expect(fill(shares, 1)).toBe(5)
    shares.give(1, 5)
    expect([shares.users, shares.total, fill(shares, 1)]).toEqual([0, 0, 5])
  })

  test('count what one thing costs', () => {
    const shares = new Shares(10)
    expect([shares.take(1, 3), shares.take(1, 3), shares.take(1, 2)]).toEqual([true, false, true])
  })
})

describe('connections', () => {
  class FakeSocket extends EventEmitter {
    destroyed = false
    destroy(): void {
      this.destroyed = true
      queueMicrotask(() => this.emit('close'))
    }
  }

  function connectionsOf(capacity: number): {
    clock: FakeClock
    connections: Connections
    open(uid: number): { socket: FakeSocket; connection: Connection | undefined }
  } {
    const clock = new FakeClock()
    const connections = new Connections(clock, { capacity, idleMs: 1000 })
    return {
      clock,
      connections,
      open(uid) {
        const socket = new FakeSocket()
        return {
          socket,
          connection: connections.admit(socket as unknown as Socket, uid, 1),
        }
      },
    }
  }

  test('beyond the share are refused while all others are in use or fresh', async () => {
    const { connections, open, clock } = connectionsOf(4)
    const used = open(1)
    open(1)
    expect(open(1).connection).toBeUndefined()
    if (used.connection !== undefined) connections.callBegun(used.connection)
    await clock.advance(999)
    expect(open(1).connection).toBeUndefined()
    expect(connections.stats).toMatchObject({ refused: 2, evicted: 0, descriptors: 2 })
  })

  test('of the same user give way, the longest idle first, never one with a call', async () => {
    const { connections, open, clock } = connectionsOf(6)
    const [a, b, c] = [open(1), open(1), open(1)]
    const other = open(2)
    if (a.connection !== undefined) connections.callBegun(a.connection)
    await clock.advance(500)
    if (b.connection !== undefined) {
      connections.callBegun(b.connection)
      connections.callEnded(b.connection)
    }
    await clock.advance(1000)
    expect(open(1).connection).toBeDefined()
    expect([a, b, c, other].map(({ socket }) => socket.destroyed)).toEqual([
      false,
      false,
      true,
      false,
    ])
    expect(open(1).connection).toBeDefined()
    expect(b.socket.destroyed).toBe(true)
    expect(open(1).connection).toBeUndefined()
    await Promise.resolve()
    expect(connections.stats).toMatchObject({ evicted: 2, descriptors: 4, users: 2 })
  })

  test('that close give everything back', async () => {
    const { connections, open } = connectionsOf(20)
    const all = Array.from({ length: 10 }, (_, index) => open(index % 3))
    for (const { connection } of all)
      if (connection !== undefined) connections.callBegun(connection)
    for (const { socket } of all) socket.destroy()
    await Promise.resolve()
    for (const { connection } of all)
      if (connection !== undefined) connections.callEnded(connection)
    expect(connections.stats).toMatchObject({ descriptors: 0, users: 0 })
  })
})
