import { beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { followIdentity } from '../../../server/identity.ts'
import { SpiffeId } from '../../../src/spiffe-id/spiffe-id.ts'
import type { X509Svid } from '../../../src/svid/x509-svid.ts'
import { FakeClock } from '../../../src/testing/fake-clock.ts'
import { bundleOf, issued, type Made, root } from '../../support/x509-fixtures.ts'

let authority: Made
let leaf: Made

beforeAll(async () => {
  authority = await root('ca')
  leaf = await issued('', authority, { uris: ['spiffe://example.org/spire/server'] })
})

/** A server's identity whose SVIDs live this long, and begin ten seconds before they are issued. */
async function follow(lifeMs: number) {
  const clock = new FakeClock()
  let made = 0
  let latest = clock.now()
  const ca = {
    latestTime: () => latest,
    async issueServerIdentity(): Promise<X509Svid> {
      made++
      latest = new Date(Math.max(latest.getTime(), clock.now().getTime()))
      return {
        spiffeId: SpiffeId.parse('spiffe://example.org/spire/server'),
        chain: [leaf.der, authority.der],
        privateKey: Buffer.alloc(0),
        notBefore: new Date(latest.getTime() - 10_000),
        expiresAt: new Date(latest.getTime() + lifeMs),
      }
    },
  }
  const own = bundleOf('example.org', authority)
  const identity = await followIdentity(ca, { own: () => own }, clock)
  const stopping = new AbortController()
  const running = identity.run(() => {}, stopping.signal).catch(() => {})
  const stop = async (): Promise<void> => {
    stopping.abort(new DOMException('stopped', 'AbortError'))
    await running
  }
  onTestFinished(stop)
  const accept = (): void => {
    latest = clock.now()
  }
  return { clock, issuedSoFar: () => made, accept, stop, current: () => identity.current() }
}

test('an SVID is replaced at half of the life that it was issued with, however far back that begins', async () => {
  const { clock, issuedSoFar } = await follow(8000)
  await clock.advance(3900)
  expect(issuedSoFar()).toBe(1)
  await clock.advance(200)
  expect(issuedSoFar()).toBe(2)
  await clock.advance(40_000)
  expect(issuedSoFar()).toBe(12)
})

test('an authority about to end costs one SVID a second, and the loop stops when it is told', async () => {
  const { clock, issuedSoFar, stop } = await follow(0)
  await clock.advance(5500)
  expect(issuedSoFar()).toBe(7)
  await stop()
})

describe('F17 T20 a clock that jumps', () => {
  const hour = 3_600_000

  test('an hour forward has the SVID replaced within seconds, once', async () => {
    const { clock, issuedSoFar, current } = await follow(hour)
    await clock.advance(60_000)
    clock.jump(hour)
    await clock.advance(10_000)
    expect(current().expiresAt.getTime()).toBeGreaterThan(clock.now().getTime())
    await clock.advance(hour / 2 - 20_000)
    expect(issuedSoFar()).toBe(2)
  })

  test('five minutes back changes nothing: due is what the clock that never jumps says', async () => {
    const { clock, issuedSoFar } = await follow(hour)
    clock.jump(-300_000)
    await clock.advance(hour / 2 - 1000)
    expect(issuedSoFar()).toBe(1)
    await clock.advance(2000)
    expect(issuedSoFar()).toBe(2)
  })

  test('an hour back, and accepted so, has one made that is valid now', async () => {
    const { clock, issuedSoFar, accept, current } = await follow(hour)
    clock.jump(-hour)
    accept()
    await clock.advance(10_000)
    expect(current().notBefore.getTime()).toBeLessThan(clock.now().getTime())
    await clock.advance(60_000)
    expect(issuedSoFar()).toBe(2)
  })
})
