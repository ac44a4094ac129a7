import { expect, test } from 'vitest'
import type { Caller } from '../../../../../server/broker/caller.ts'
import { createStanding } from '../../../../../server/broker/issuer/standing.ts'
import type { Integration } from '../../../../../server/broker/settings.ts'
import type { RevocationFeed } from '../../../../../src/revocation/feed-client.ts'
import { SpiffeId } from '../../../../../src/spiffe-id/spiffe-id.ts'
import { reasonOf } from '../../../../support/x509-fixtures.ts'

type Feed = Pick<RevocationFeed, 'judge' | 'find' | 'fresh'>

const web = SpiffeId.parse('spiffe://example.org/web')
const caller: Caller = {
  ...{ spiffeId: web, auth: 'token', owner: 'web-team', purpose: 'reads contacts' },
  ...{ entryId: 'entry-1', subject: 'spiffe://example.org/app', tokenId: 'token-1' },
  ...{ transaction: 'transaction-1' },
  actors: ['spiffe://example.org/web', 'spiffe://example.org/gate'],
  shown: { claims: { jti: 'token-1', aud: 'https://broker.test/acme' }, keyId: 'key-1' },
  proof: { endsAtMs: undefined, holds: () => true },
}
const acme = {
  ...{ id: 'acme', audience: 'https://broker.test/acme', owner: 'sales', reopenedAt: undefined },
} as Integration

/** A feed in which nothing is revoked but what is told here. */
function feedOf(more: Partial<Feed> = {}): Feed {
  return { judge: () => undefined, find: () => undefined, fresh: () => true, ...more }
}

test('T26 a call under way is judged by all that its token says, and by the key that has signed it', () => {
  const judged: unknown[] = []
  const standing = createStanding(
    feedOf({
      judge(...shown) {
        judged.push(shown)
        return undefined
      },
    }),
  )
  standing.judge(caller)
  expect(judged).toEqual([[{ jti: 'token-1', aud: acme.audience }, 'key-1']])
})

test('an integration that was shut by its name, its URL or its owner is opened by a later second alone', () => {
  const shutAt = 1_800_000_000
  for (const [kind, name] of [
    ['integration', 'acme'],
    ['integration', 'https://broker.test/acme'],
    ['owner', 'sales'],
  ]) {
    const find: Feed['find'] = (of, id) =>
      of === kind && id === name ? ({ notBefore: shutAt } as ReturnType<Feed['find']>) : undefined
    const standing = createStanding(feedOf({ find }))
    const isShut = (seconds?: number) => {
      const reopenedAt = seconds === undefined ? undefined : new Date(seconds * 1000)
      return standing.isShut({ ...acme, reopenedAt })
    }
    expect([isShut(), isShut(shutAt - 1), isShut(shutAt), isShut(shutAt + 1)]).toEqual([
      ...[true, true, true, false],
    ])
    expect(reasonOf(() => standing.check(acme, caller))).toBe('integration-closed')
  }
})

test('nobody may call while it is not known what was revoked, and whoever was revoked is told that', () => {
  const late = createStanding(feedOf({ fresh: () => false }))
  expect(reasonOf(() => late.check(acme, caller))).toBe('revocation-unknown')
  const fact = { kind: 'token' } as unknown as NonNullable<ReturnType<Feed['judge']>>
  const gone = createStanding(feedOf({ judge: () => fact, fresh: () => false }))
  expect(reasonOf(() => gone.check(acme, caller))).toBe('caller-revoked')
  expect(reasonOf(() => createStanding(feedOf()).check(acme, caller))).toBe('ok')
  expect(reasonOf(() => createStanding(undefined).check(acme, caller))).toBe('ok')
})
