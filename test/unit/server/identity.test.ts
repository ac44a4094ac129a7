import { beforeAll, expect, onTestFinished, test } from 'vitest'
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
  const ca = {
    async issueServerIdentity(): Promise<X509Svid> {
      made++
      return {
        spiffeId: SpiffeId.parse('spiffe://example.org/spire/server'),
        chain: [leaf.der, authority.der],
        privateKey: Buffer.alloc(0),
        notBefore: new Date(clock.now().getTime() - 10_000),
        expiresAt: new Date(clock.now().getTime() + lifeMs),
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
  return { clock, issuedSoFar: () => made, stop }
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
