import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { expect, onTestFinished, test } from 'vitest'
import { VendorAgent } from '../../../../../server/broker/vendor/vendor-agent.ts'
import { FakeClock } from '../../../../../src/testing/fake-clock.ts'

const limits = { requestBytes: 1, responseBytes: 1, timeoutMs: 1, durationMs: 1, calls: 1 }

/** A connection whose answer has come to its end. */
class Idle extends Duplex {
  override _read(): void {}
  override _write(): void {}
  setKeepAlive(): void {}
  setTimeout(): void {}
  ref(): void {}
  unref(): void {}
}

function start() {
  const clock = new FakeClock()
  const integration = { upstream: new URL('https://api.acme.test'), ca: undefined, networks: [] }
  const agent = new VendorAgent({ ...integration, limits }, { lookup: async () => [], clock })
  return { clock, agent }
}

test('a connection is used again for five minutes', async () => {
  const { clock, agent } = start()
  const age = 300_000 - clock.monotonicMs()
  await clock.advance(age - 1)
  expect(agent.keepSocketAlive(new Idle())).toBe(true)
  await clock.advance(1)
  expect(agent.keepSocketAlive(new Idle())).toBe(false)
})

test('nor is one on which the vendor has said more, or whose route another has taken the place of', () => {
  const { agent } = start()
  const spoken = new Idle()
  spoken.push('HTTP/1.1 200 OK')
  expect(agent.keepSocketAlive(spoken)).toBe(false)
  const silent = new Idle()
  expect(agent.keepSocketAlive(silent)).toBe(true)
  silent.push('HTTP/1.1 200 OK')
  return new Promise<void>((resolve) => silent.once('close', resolve)).then(() => {
    agent.retire()
    expect(agent.keepSocketAlive(new Idle())).toBe(false)
  })
})

test('of all callers together 256 connections are kept at most', () => {
  const { agent } = start()
  const kept = (idle: number): boolean => {
    Object.assign(agent.freeSockets, { somebody: Array.from({ length: idle }, () => new Idle()) })
    return agent.keepSocketAlive(new Idle())
  }
  expect([kept(255), kept(256)]).toEqual([true, false])
})

test('a vendor that takes the connection and says nothing is given ten seconds, and then no connection is left of it', async () => {
  const silent = createServer().listen(0, '127.0.0.1')
  onTestFinished(() => void silent.close())
  await once(silent, 'listening')
  const upstream = new URL(`https://127.0.0.1:${(silent.address() as AddressInfo).port}`)
  const clock = new FakeClock()
  const agent = new VendorAgent(
    { upstream, ca: undefined, networks: ['127.0.0.0/8'], limits },
    { lookup: async () => [], clock },
  )
  const failed = new Promise((resolve) => agent.createConnection({}, (error) => resolve(error)))
  const [socket] = (await once(silent, 'connection')) as [Socket]
  const closed = new Promise((resolve) => socket.resume().once('close', resolve))
  socket.on('error', () => {})
  await clock.advance(10_000)
  expect(await failed).toMatchObject({ code: 'deadline', reason: 'vendor-timeout' })
  await closed
})
