import { expect, test } from 'vitest'
import { everyCaller, isUnusedSince } from '../../../src/cli/legacy.ts'
import type { Caller } from '../../../src/rpc/gen/countersign/legacy/v1/Caller.ts'

test('callers are asked for until there is no next page, also behind one on which there are none', async () => {
  const pages: Readonly<Record<string, readonly [names: readonly string[], next: string]>> = {
    '': [['a', 'b'], 'one'],
    one: [[], 'two'],
    two: [['c'], ''],
  }
  const callers = await everyCaller(async ({ page_token }) => {
    const [names, next_page_token] = pages[page_token] ?? expect.fail()
    return { callers: names.map((name) => ({ name }) as Caller), next_page_token }
  })
  expect(callers.map(({ name }) => name)).toEqual(['a', 'b', 'c'])
})

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
