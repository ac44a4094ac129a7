import { beforeEach, describe, expect, test } from 'vitest'
import { ServerConnection } from '../../../../agent/node-attestation/connection.ts'
import { dialUnix, type RpcChannel } from '../../../../src/rpc/dial.ts'

let dialled: string[]
let closed: RpcChannel[]

beforeEach(() => {
  dialled = []
  closed = []
})

function connectionTo(...hosts: readonly string[]): ServerConnection {
  return new ServerConnection({
    addresses: hosts.map((host) => ({ host, port: 8081 })),
    dial({ host }) {
      dialled.push(host)
      const channel = dialUnix('/nobody/listens/here')
      const close = channel.close.bind(channel)
      channel.close = () => {
        closed.push(channel)
        close()
      }
      return channel
    },
  })
}

describe('the connection', () => {
  test('is dialled when it is first used, and then shared', () => {
    const connection = connectionTo('a')
    expect(dialled).toEqual([])
    expect(connection.channel).toBe(connection.channel)
    expect(dialled).toEqual(['a'])
    connection.close()
  })

  test('that is replaced is closed, tells those who use it, and dials the same server again', () => {
    const connection = connectionTo('a', 'b')
    const { channel, signal } = connection
    connection.replace()
    expect(signal.aborted).toBe(true)
    expect(closed).toEqual([channel])
    expect(connection.channel).not.toBe(channel)
    expect(connection.signal.aborted).toBe(false)
    expect(dialled).toEqual(['a', 'a'])
    connection.close()
  })

  test('that failed goes on at the next address, and round again', () => {
    const connection = connectionTo('a', 'b', 'c')
    for (let turn = 0; turn < 4; turn += 1) {
      expect(connection.signal.aborted).toBe(false)
      connection.failOver()
    }
    expect(dialled).toEqual(['a', 'b', 'c', 'a'])
    expect(closed).toHaveLength(4)
    connection.close()
  })

  test('that failed is kept where there is one address: it connects again by itself', () => {
    const connection = connectionTo('a')
    const { channel, signal } = connection
    connection.failOver()
    expect(connection.channel).toBe(channel)
    expect(signal.aborted).toBe(false)
    expect(closed).toEqual([])
    connection.close()
    expect(closed).toEqual([channel])
  })

  test('that was never used is closed without being dialled', () => {
    connectionTo('a').close()
    expect(dialled).toEqual([])
  })
})
