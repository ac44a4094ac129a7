import { once } from 'node:events'
import { request } from 'node:http'
import { type AddressInfo, createServer } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { answerTo } from '../../../src/runtime/answer-to.ts'

/** What a request comes to whose server says this, and hangs up where it is told to. */
async function askedOf(says: string, hangsUp = false): Promise<number | string | undefined> {
  const server = createServer((socket) => {
    socket.on('error', () => {})
    socket.once('data', () => (hangsUp ? socket.end(says) : socket.write(says)))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  const { port } = server.address() as AddressInfo
  const sent = request({ host: '127.0.0.1', port, agent: false })
  sent.end()
  try {
    const response = await answerTo(sent)
    response.resume()
    await once(response, 'close')
    return response.statusCode
  } catch (error) {
    return (error as Error).message
  } finally {
    sent.destroy()
  }
}

test('there is an answer, or word of why there is none', async () => {
  expect(await askedOf('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi')).toBe(200)
  expect(await askedOf('no HTTP at all\r\n\r\n')).toContain('Parse Error')
  expect(await askedOf('HTTP/1.1 200', true)).toBe('socket hang up')
})

test('T12 a server that goes over to another protocol keeps nobody waiting', async () => {
  const upgrade = 'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n'
  expect(await askedOf(upgrade)).toBe('the server has ended the request without an answer')
})

test('an answer that breaks off after it has begun ends no process', async () => {
  const head = 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n'
  expect(await askedOf(`${head}this is no chunk\r\n`)).toBe('aborted')
})
