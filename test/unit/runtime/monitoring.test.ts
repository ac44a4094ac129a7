import { once } from 'node:events'
import { connect, Server } from 'node:net'
import { Registry } from 'prom-client'
import { expect, onTestFinished, test, vi } from 'vitest'
import { silentLog } from '../../../src/runtime/log.ts'
import { serveMonitoring } from '../../../src/runtime/monitoring.ts'
import { freePort } from '../../support/free-port.ts'
import { pipelined } from '../../support/pipelined.ts'

test('health and metrics are read with GET, nothing else is there, and nothing can be changed', async () => {
  const stopping = new AbortController()
  const port = await freePort()
  let reason: string | undefined
  const done = serveMonitoring(
    { host: '127.0.0.1', port },
    { notReady: async () => reason, metrics: new Registry() },
    silentLog,
    stopping.signal,
  )
  const at = (path: string, method = 'GET') => fetch(`http://127.0.0.1:${port}${path}`, { method })
  await expect.poll(async () => (await at('/live')).status).toBe(200)
  expect((await at('/ready')).status).toBe(200)
  reason = 'audit-unwritable'
  const ready = await at('/ready')
  expect([ready.status, await ready.text()]).toEqual([503, 'audit-unwritable\n'])
  expect((await at('/metrics')).headers.get('content-type')).toContain('text/plain')
  expect((await at('/ready', 'POST')).status).toBe(405)
  expect((await at('/metrics/../secrets')).status).toBe(404)
  stopping.abort()
  await done
})

test('T13 connections that cannot be taken, such as for want of descriptors, do not end the process', async () => {
  const listening = vi.spyOn(Server.prototype, 'listen')
  const stopping = new AbortController()
  const port = await freePort()
  listening.mockClear()
  const done = serveMonitoring(
    { host: '127.0.0.1', port },
    { notReady: async () => undefined, metrics: new Registry() },
    silentLog,
    stopping.signal,
  )
  const live = async () => (await fetch(`http://127.0.0.1:${port}/live`)).status
  await expect.poll(live).toBe(200)
  const server = listening.mock.contexts[0] as Server
  for (let times = 0; times < 3; times += 1) server.emit('error', new Error('accept EMFILE'))
  expect(await live()).toBe(200)
  stopping.abort()
  await done
  listening.mockRestore()
})

test('T12 whoever asks much, and takes no answers, keeps nobody else from asking', async () => {
  const stopping = new AbortController()
  const port = await freePort()
  let asked = 0
  const metrics = {
    contentType: 'text/plain',
    async metrics() {
      asked += 1
      return `${asked}\n`
    },
  }
  const done = serveMonitoring(
    { host: '127.0.0.1', port },
    { notReady: async () => undefined, metrics: metrics as unknown as Registry },
    silentLog,
    stopping.signal,
  )
  const live = async () => (await fetch(`http://127.0.0.1:${port}/live`)).status
  await expect.poll(live).toBe(200)
  const request = 'GET /metrics HTTP/1.1\r\nhost: a\r\n\r\n'
  expect(await pipelined(connect(port, '127.0.0.1'), request, 1000)).toBeLessThan(20)
  expect(asked).toBeLessThan(20)
  // As many silent ones as there may be, and no fewer.
  const silent = Array.from({ length: 64 }, () => connect(port, '127.0.0.1').on('error', () => {}))
  await Promise.all(silent.map((socket) => once(socket, 'connect')))
  expect(await live()).toBe(200)
  for (const socket of silent) socket.destroy()
  stopping.abort()
  await done
})

test.for([
  [
    'EADDRINUSE',
    'listen-address-in-use',
    'end the process that listens there, or choose another port',
  ],
  [
    'EACCES',
    'listen-failed',
    'choose a port that this user may listen on, such as one from 1024 on',
  ],
  ['EADDRNOTAVAIL', 'listen-failed', 'choose an address that this machine has'],
  ['EAFNOSUPPORT', 'listen-failed', 'choose an address and a port that this user may listen on'],
])('where it cannot listen it says why: %s', async ([code, reason, fix]) => {
  const listening = vi.spyOn(Server.prototype, 'listen').mockImplementation(function (
    this: Server,
  ) {
    return this.emit('error', Object.assign(new Error(code), { code })) ? this : expect.fail()
  })
  onTestFinished(() => listening.mockRestore())
  const done = serveMonitoring(
    { host: '127.0.0.1', port: 80 },
    { notReady: async () => undefined, metrics: new Registry() },
    silentLog,
    new AbortController().signal,
  )
  await expect(done).rejects.toMatchObject({
    ...{ code: 'unavailable', reason, fix },
    message: 'cannot listen on http_address 127.0.0.1:80',
  })
})
