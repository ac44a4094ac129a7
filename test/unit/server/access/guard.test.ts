import { expect, test } from 'vitest'
import { createGuard } from '../../../../server/access/guard.ts'
import { RateLimiter } from '../../../../server/access/limits.ts'
import { CountersignError } from '../../../../src/errors.ts'
import { SpiffeId } from '../../../../src/spiffe-id/spiffe-id.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'

test('T12 calls that are refused count against whoever makes them', () => {
  const clock = new FakeClock()
  const guard = createGuard({
    clock,
    agent: () => undefined,
    rights: () => ({ admin: false, downstream: false }),
    trusts: () => true,
    promote: async () => {},
    calls: new RateLimiter({ perSecond: 1, burst: 2 }, clock),
  })
  const svid = {
    spiffeId: SpiffeId.parse('spiffe://example.org/web'),
    serial: 'ab',
    expiresAt: new Date(clock.now().getTime() + 60_000),
    authority: {} as never,
  }
  const named = { transport: 'tls', address: '127.0.0.1:1', svid } as const
  const unnamed = { transport: 'tls', address: '127.0.0.1:2' } as const
  for (const peer of [named, unnamed]) {
    const reasons = [1, 2, 3].map(() => {
      try {
        void guard(peer, '/spire.api.server.entry.v1.Entry/ListEntries')
        return undefined
      } catch (error) {
        return error instanceof CountersignError ? error.reason : error
      }
    })
    expect(reasons).toEqual(['access-denied', 'access-denied', 'rate-limited'])
  }
})
