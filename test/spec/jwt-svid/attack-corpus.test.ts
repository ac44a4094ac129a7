import { describe, expect, test } from 'vitest'
import { verifyJwtSvid } from '../../../src/svid/jwt-svid.ts'
import { leastCpuMs } from '../../support/cost.ts'
import { bundle, corpus, foreignBundle, good, tokensWith } from './attack-corpus.ts'
import { encode, now, sourceOf, verdict } from './tokens.ts'

const bundles = sourceOf(bundle, foreignBundle)

describe('T11 forged tokens', () => {
  test('T11 there are 200 of them', () => {
    expect(corpus.length).toBeGreaterThanOrEqual(200)
  })

  test('T11 the token that they are made from is accepted', async () => {
    expect(await verdict(good, bundles)).toBe('accepted')
  })

  test('T11 the forgeries fail at every check there is, not all at the first', async () => {
    const reasons = new Set(await Promise.all(corpus.map(([, token]) => verdict(token, bundles))))
    const checks = ['too-large', 'malformed', 'algorithm', 'header', 'key', 'signature', 'subject']
    for (const check of checks) expect(reasons).toContain(`token-${check}`)
  })

  test.each(corpus)('T11 refused: %s', async (_what, token) => {
    expect(await verdict(token, bundles)).toMatch(/^token-/)
  })

  test('T11 none of them changed what an object is', () => {
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined()
    expect(Object.keys(Object.prototype)).toEqual([])
  })

  test('T11 a refusal quotes neither the token nor the key id', async () => {
    const canary = 'canary-5f1e'
    for (const token of tokensWith(canary)) {
      const refusal = verifyJwtSvid(token, { audience: 'me', bundles, now })
      const error = await refusal.then(String, (cause: unknown) => chainOf(cause))
      expect(error).not.toContain(canary)
      expect(error).not.toContain(encode(canary).slice(0, 12))
    }
  })

  test('T11 T12 oversized tokens are refused in less than a millisecond', async () => {
    const large = ['.'.repeat(1_000_000), 'A'.repeat(10_000_000), `${'['.repeat(2_000_000)}`]
    for (const token of large) {
      expect(await leastCpuMs(20, () => verdict(token, bundles))).toBeLessThan(1)
    }
  })

  test('T11 T12 the dots that fit into a token are refused in less than a millisecond', async () => {
    const dots = '.'.repeat(65_536)
    expect(await leastCpuMs(20, () => verdict(dots, bundles))).toBeLessThan(1)
  })
})

function chainOf(error: unknown): string {
  return error instanceof Error ? `${error.message} ${chainOf(error.cause)}` : ''
}
