import { expect, test } from 'vitest'
import { goodForMs } from '../../../src/svid/good-for.ts'

const signedAt = Date.UTC(2026, 10, 26, 12)

function svid(backSeconds: number, forwardSeconds: number) {
  return {
    notBefore: new Date(signedAt - backSeconds * 1000),
    expiresAt: new Date(signedAt + forwardSeconds * 1000),
  }
}

test.each([3600, 60, 20, 10, 6, 4, 1])(
  'an SVID that its server dated back is good for the %i s that are left of it, and not longer',
  (seconds) => {
    expect(goodForMs(svid(10, seconds))).toBe(seconds * 1000)
  },
)

test('one that was not dated back is taken to end sooner, never later', () => {
  for (const seconds of [1, 5, 10, 11, 30]) {
    const lasts = goodForMs(svid(0, seconds))
    expect(lasts).toBeGreaterThan(0)
    expect(lasts).toBeLessThan(seconds * 1000)
  }
})
