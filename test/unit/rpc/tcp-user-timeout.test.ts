import { once } from 'node:events'
import { readFileSync, rmSync } from 'node:fs'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { connect as connectTls, createServer as createTls } from 'node:tls'
import { expect, onTestFinished, test, vi } from 'vitest'
import { libc } from '../../../src/rpc/libc.ts'
import { descriptorOf } from '../../../src/rpc/socket-descriptor.ts'
import { breakUnanswered } from '../../../src/rpc/tcp-user-timeout.ts'
import { webCertificate } from '../../support/web-certificate.ts'

const [IPPROTO_TCP, TCP_USER_TIMEOUT] = [6, 18]

function timeoutOf(socket: Socket): number {
  const value = Buffer.alloc(4)
  const fd = descriptorOf(socket) ?? expect.fail()
  libc().getsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, value, Uint32Array.of(4))
  return new Uint32Array(value.buffer, value.byteOffset, 1)[0] ?? 0
}

async function portOf(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  onTestFinished(() => void server.close())
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

test('the kernel breaks a connection by TCP or TLS that is not answered, and none that is gone', async () => {
  const web = await webCertificate('localhost')
  onTestFinished(() => rmSync(web.folder, { recursive: true }))
  const taken: Socket[] = []
  const take = (socket: Socket): void => void taken.push(socket.on('error', () => {}))
  const tcp = connect(await portOf(createServer(take)), '127.0.0.1')
  const certificate = { cert: readFileSync(web.certificate), key: readFileSync(web.key) }
  const tls = connectTls({
    ...{ port: await portOf(createTls(certificate, take)), host: '127.0.0.1' },
    ...{ ca: readFileSync(web.ca), servername: 'localhost' },
  })
  await Promise.all([once(tcp, 'connect'), once(tls, 'secureConnect')])
  for (const socket of [tcp, tls]) {
    expect(timeoutOf(socket)).toBe(0)
    expect(breakUnanswered(socket, 4000)).toBe(true)
    expect(timeoutOf(socket)).toBe(4000)
    socket.destroy()
    await once(socket, 'close')
    expect(breakUnanswered(socket, 4000)).toBe(false)
  }
  for (const socket of taken) socket.destroy()
})

test('where the C library cannot be asked, the connection is left as it is', async () => {
  const platform = Object.getOwnPropertyDescriptor(process, 'platform') ?? expect.fail()
  Object.defineProperty(process, 'platform', { ...platform, value: 'darwin' })
  vi.resetModules()
  onTestFinished(() => {
    Object.defineProperty(process, 'platform', platform)
    vi.resetModules()
  })
  const taken: Socket[] = []
  const socket = connect(await portOf(createServer((one) => void taken.push(one))), '127.0.0.1')
  await once(socket, 'connect')
  const { breakUnanswered: without } = await import('../../../src/rpc/tcp-user-timeout.ts')
  expect([without(socket, 4000), socket.destroyed]).toEqual([false, false])
  socket.destroy()
  for (const one of taken) one.destroy()
})
