import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { keepNewest } from '../../../src/runtime/keep-newest.ts'

test('T12 of more connections than the bound the oldest gives way, and all are ended when told', async () => {
  const server = createServer(() => {})
  const endAll = keepNewest(server, 2)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  const dial = async () => {
    const accepted = once(server, 'connection')
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
    socket.on('error', () => {}).resume()
    await accepted
    return { socket, closed: once(socket, 'close') }
  }
  const [first, second, third] = [await dial(), await dial(), await dial()]
  await first.closed
  expect([second.socket.destroyed, third.socket.destroyed]).toEqual([false, false])
  // One that has left takes nobody's place.
  third.socket.destroy()
  await third.closed
  endAll()
  await second.closed
})
