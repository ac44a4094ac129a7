import { expect, test } from 'vitest'
import { freshSvid } from '../../../../agent/node-attestation/freshness.ts'
import { AgentIdentity } from '../../../../agent/node-attestation/identity.ts'
import { silentLog } from '../../../../src/runtime/log.ts'
import { joinTokenAgentId } from '../../../../src/spiffe-id/reserved.ts'
import { TrustDomain } from '../../../../src/spiffe-id/spiffe-id.ts'
import type { X509Svid } from '../../../../src/svid/x509-svid.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'

const trustDomain = TrustDomain.parse('example.org')

function svidFor(clock: FakeClock, lifeMs: number): X509Svid {
  const notBefore = clock.now()
  return {
    spiffeId: joinTokenAgentId(trustDomain, 'a'),
    chain: [],
    privateKey: Buffer.alloc(0),
    notBefore,
    expiresAt: new Date(notBefore.getTime() + lifeMs),
  }
}

test('an SVID that came by joining anew is renewed by its own life, not by that of the one before', async () => {
  const clock = new FakeClock()
  let current = svidFor(clock, 24 * 3_600_000)
  const asked: number[] = []
  const identity = new AgentIdentity({
    trustDomain,
    store: {
      loadIdentity: async () => ({ current, pending: undefined, canReattest: false }),
    } as never,
    trust: {} as never,
    connection: {} as never,
    joinToken: async () => undefined,
    // Without one no renewal succeeds: each is tried again, and says so.
    bundle: () => undefined,
    clock,
    log: { ...silentLog, warn: () => asked.push(clock.monotonicMs()) },
    random: () => 0.5,
  })
  await identity.load()
  const stopping = new AbortController()
  const renewing = identity.renew(stopping.signal).catch(() => {})
  await clock.advance(60_000)
  current = svidFor(clock, 60_000)
  await identity.load()
  await clock.advance(25_000)
  expect(asked).toEqual([])
  await clock.advance(15_000)
  expect(asked.length).toBeGreaterThan(0)
  stopping.abort(new DOMException('stopped', 'AbortError'))
  await renewing
})

test('an SVID that ends with its authority, seconds from now, is renewed while it is good', () => {
  const clock = new FakeClock()
  const nowMs = clock.now().getTime()
  const svid = {
    ...svidFor(clock, 4000),
    notBefore: new Date(nowMs - 10_000),
  }
  const fresh = freshSvid(svid, clock)
  expect(fresh).toMatchObject({ goodForMs: 4000, aheadMs: 0 })
})
