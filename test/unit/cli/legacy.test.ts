import { expect, test } from 'vitest'
import { isUnusedSince } from '../../../src/cli/legacy.ts'

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
