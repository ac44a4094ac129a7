import { expect, test } from 'vitest'
import { isUnusedSince, liveKeys } from '../../../src/cli/legacy.ts'

test.for([
  ['never used, and older', '100', '0', true],
  ['never used, and added since', '300', '0', false],
  ['used before', '100', '150', true],
  ['used since', '100', '250', false],
] as const)(
  'a legacy caller is unused for so long: %s',
  ([, created_at_ms, last_used_at_ms, is]) => {
    expect(isUnusedSince({ created_at_ms, last_used_at_ms }, 200)).toBe(is)
  },
)

test('a key that is revoked, disabled or past its end is not good any more, and of the others the last end counts', () => {
  const day = 86_400_000
  const now = new Date(100 * day)
  const caller = (more: Partial<Parameters<typeof liveKeys>[0][number]>) => ({
    ...{ created_at_ms: String(80 * day), last_used_at_ms: '0', expires_at_ms: String(150 * day) },
    ...{ revoked_at_ms: '0', disabled_at_ms: '0', ...more },
  })
  const dead = [
    caller({ revoked_at_ms: String(90 * day) }),
    caller({ disabled_at_ms: String(90 * day) }),
    caller({ expires_at_ms: String(100 * day) }),
  ]
  const none = { staticKeys: 0, idleStaticKeys: 0, lastKeyEnd: undefined }
  expect(liveKeys(dead, now)).toEqual(none)
  const used = caller({ last_used_at_ms: String(99 * day), expires_at_ms: String(120 * day) })
  expect(liveKeys([...dead, used, caller({ expires_at_ms: String(110 * day) })], now)).toEqual({
    ...{ staticKeys: 2, idleStaticKeys: 1, lastKeyEnd: new Date(120 * day) },
  })
})
