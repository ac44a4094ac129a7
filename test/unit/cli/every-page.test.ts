import { expect, test } from 'vitest'
import { everyPage } from '../../../src/cli/every-page.ts'

test('pages are asked for until there is no next one, also behind one on which there is nothing', async () => {
  const held: Readonly<Record<string, readonly [names: readonly string[], next: string]>> = {
    '': [['a', 'b'], 'one'],
    one: [[], 'two'],
    two: [['c'], ''],
  }
  const pages = await everyPage(async (page_token) => {
    const [names, next_page_token] = held[page_token] ?? expect.fail()
    return { names, next_page_token }
  })
  expect(pages.flatMap(({ names }) => names)).toEqual(['a', 'b', 'c'])
})
