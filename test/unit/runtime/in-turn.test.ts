import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { inTurn } from '../../../src/runtime/in-turn.ts'
import { eventually } from '../../../src/testing/eventually.ts'

interface Open {
  readonly server: Server
  /** A connection of its own. */
  dial(): Socket
  /** Those that were taken, oldest first. */
  readonly taken: { readonly path: string; readonly response: ServerResponse }[]
}

/** Takes requests, and answers none. */
async function open(): Promise<Open> {
  const taken: { path: string; response: ServerResponse }[] = []
  const take = inTurn(({ url = '' }: IncomingMessage, response: ServerResponse) => {
    taken.push({ path: url, response })
  })
  const server = createServer(take)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.close()
    server.closeAllConnections()
  })
  const { port } = server.address() as AddressInfo
  return { server, taken, dial: () => connect(port, '127.0.0.1').on('error', () => {}) }
}

const request = (path: string): string => `GET ${path} HTTP/1.1\r\nhost: a\r\n\r\n`

test('the requests of a connection are taken one after the other, those of others meanwhile', async () => {
  const { dial, taken } = await open()
  const paths = (): string[] => taken.map(({ path }) => path)
  dial().write(['/1', '/2', '/3'].map(request).join(''))
  await eventually(() => taken.length === 1)
  dial().write(request('/other'))
  await eventually(() => taken.length === 2)
  expect(paths()).toEqual(['/1', '/other'])
  for (const count of [3, 4]) {
    taken.find(({ path }) => path === `/${count - 2}`)?.response.end()
    await eventually(() => taken.length === count)
  }
  expect(paths()).toEqual(['/1', '/other', '/2', '/3'])
})

test('T12 of those that came at once 17 are held, and nobody parses what is behind', async () => {
  const { dial, server, taken } = await open()
  let parsed = 0
  server.prependListener('request', () => {
    parsed += 1
  })
  const patient = dial()
  patient.write(request('/').repeat(17))
  await eventually(() => parsed === 17)
  expect(taken).toHaveLength(1)
  const hasty = dial()
  hasty.resume().write(request('/').repeat(1000))
  await once(hasty, 'close')
  expect(parsed).toBeLessThan(17 + 20)
  expect(taken).toHaveLength(2)
  // Nothing has happened to the other.
  taken[0]?.response.end()
  await eventually(() => taken.length === 3)
})

test('behind an answer that ends the connection, and of somebody who has left, nothing is taken', async () => {
  const { dial, taken } = await open()
  const closed = dial()
  closed.resume().write(request('/first') + request('/behind'))
  await eventually(() => taken.length === 1)
  taken[0]?.response.writeHead(400, { connection: 'close' }).end()
  await once(closed, 'close')
  const left = dial()
  left.write(request('/second') + request('/behind'))
  await eventually(() => taken.length === 2)
  const gone = once(taken[1]?.response as ServerResponse, 'close')
  left.destroy()
  await gone
  dial().write(request('/last'))
  await eventually(() => taken.length === 3)
  expect(taken.map(({ path }) => path)).toEqual(['/first', '/second', '/last'])
})
