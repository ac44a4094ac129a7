import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const root = fileURLToPath(new URL('../..', import.meta.url))
const pages = globSync('{,docs/,src/,examples/}*.md', { cwd: root })

/** As GitHub names a heading. */
function anchorOf(heading: string): string {
  const words = heading.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1').toLowerCase()
  return words.replaceAll(/[^\p{L}\p{N} _-]/gu, '').replaceAll(' ', '-')
}

function anchorsIn(text: string): ReadonlySet<string> {
  const prose = text.replaceAll(/^```[\s\S]*?^```$/gm, '')
  return new Set([...prose.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) => anchorOf(heading)))
}

test('each link of a page leads to a file, and to a heading, that is there', () => {
  expect(pages).toContain('docs/oauth.md')
  const broken: string[] = []
  for (const page of pages) {
    const text = readFileSync(join(root, page), 'utf8')
    for (const [, to = ''] of text.matchAll(/\]\(((?!https?:)[^)\s]*)\)/g)) {
      const [file = '', anchor] = to.split('#')
      const path = file === '' ? join(root, page) : join(root, dirname(page), file)
      const isThere =
        existsSync(path) &&
        (anchor === undefined || anchorsIn(readFileSync(path, 'utf8')).has(anchor))
      if (!isThere) broken.push(`${page}: ${to}`)
    }
  }
  expect(broken).toEqual([])
})

test('the README leads to each page of docs', () => {
  const readme = readFileSync(join(root, 'README.md'), 'utf8')
  const docs = pages.filter((page) => page.startsWith('docs/'))
  expect(docs.filter((page) => !readme.includes(`](${page})`))).toEqual([])
})
