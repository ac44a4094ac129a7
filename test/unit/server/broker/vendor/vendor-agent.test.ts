import { Duplex } from 'node:stream'
import { expect, test } from 'vitest'
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
