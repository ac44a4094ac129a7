import { describe, expect, test } from 'vitest'
import { issuedAt } from '../../../../server/ca/rotation.ts'
import { checkSvid, refuseBornDead } from '../../../../server/revocation/svid-status.ts'
import { type FactKind, factKinds } from '../../../../src/revocation/fact.ts'
import { RevocationState } from '../../../../src/revocation/state.ts'
import { SpiffeId } from '../../../../src/spiffe-id/spiffe-id.ts'
import { idOf, trustDomain } from '../entry/samples.ts'

const web = idOf('/web')
const entries = [
  { id: 'e1', owner: 'web-team' },
  { id: 'e2', owner: '' },
]

function revoked(kind: FactKind, id: string): RevocationState {
  const state = new RevocationState()
  state.apply({ kind, id, notBefore: 1000, endsAt: 5000 })
  return state
}

function check(state: RevocationState, issuedAtSeconds: number | undefined): string {
  const issued = issuedAtSeconds === undefined ? undefined : new Date(issuedAtSeconds * 1000)
  try {
    checkSvid(state, { spiffeId: web, issuedAt: issued }, entries)
    return 'good'
  } catch (error) {
    return (error as { reason: string }).reason
  }
}

describe('an SVID from before a revocation proves nothing', () => {
  test.each<[FactKind, string]>([
    ['spiffe-id', web],
    ['node', web],
    ['entry', 'e1'],
    ['entry', 'e2'],
    ['owner', 'web-team'],
  ])('of %s %s, up to its second', (kind, id) => {
    const state = revoked(kind, id)
    expect(check(state, 999)).toBe('svid-revoked')
    expect(check(state, 1000.9)).toBe('svid-revoked')
    expect(check(state, 1001)).toBe('good')
    expect(check(state, undefined)).toBe('svid-revoked')
  })

  test.each<[FactKind, string]>([
    ['spiffe-id', `${web}x`],
    ['owner', 'other-team'],
    ['entry', 'e3'],
    ['trust-domain', trustDomain],
    ['key', 'k'],
  ])('and %s %s is not its', (kind, id) => {
    expect(check(revoked(kind, id), 1)).toBe('good')
  })
})

test('our certificates are dated back: when one was issued is known to the second', () => {
  const notBefore = new Date(990_000)
  expect(issuedAt(trustDomain, web, notBefore)).toEqual(new Date(1_000_000))
  const foreign = SpiffeId.parse('spiffe://partner.test/web')
  expect(issuedAt(trustDomain, foreign, notBefore)).toEqual(notBefore)
})

test('a token that would be dead at once is not issued: it is for the next second, or for never', () => {
  expect(() => refuseBornDead(undefined)).not.toThrow()
  for (const kind of factKinds) {
    const forNever = kind === 'token' || kind === 'transaction'
    const fact = { kind, id: 'x', notBefore: 1000, endsAt: 5000 }
    expect(() => refuseBornDead(fact)).toThrow(
      expect.objectContaining(
        forNever
          ? { code: 'invalid', reason: 'subject-revoked' }
          : { code: 'unavailable', reason: 'revoked-this-second', retryAfterMs: 1000 },
      ),
    )
  }
})
