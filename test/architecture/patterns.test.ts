import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { parseAst } from 'vitest/node'

const root = fileURLToPath(new URL('../..', import.meta.url))

interface Pattern {
  readonly source: string
  readonly flags: string
}

/** All patterns that stand in this program. */
function patternsOf(text: string): Pattern[] {
  const found: Pattern[] = []
  JSON.stringify(parseAst(text, { lang: 'ts' }), (key, value) => {
    if (key === 'regex') found.push({ source: value.pattern, flags: value.flags })
    return typeof value === 'bigint' ? undefined : value
  })
  return found
}

/** What each character, each escape and each pair of neighbours in a pattern may be repeated as. */
function pumpsOf({ source }: Pattern): string[] {
  const samples: Readonly<Record<string, string>> = {
    w: 'a',
    d: '0',
    s: ' ',
    S: 'a',
    D: 'a',
    W: ' ',
  }
  const characters = [
    ...source.replace(/\\(.)/g, (_, escaped: string) => samples[escaped] ?? escaped),
  ]
  const pairs = characters.map((character, at) => `${character}${characters[at + 1] ?? ''}`)
  return [...new Set([...characters, ...pairs, 'a', '0', ' ', '%', '+'])]
}

/** How long the pattern has the processor, ms; what else the machine does is not in it. */
function costOf({ source, flags }: Pattern, text: string): number {
  const pattern = new RegExp(source, flags)
  const before = process.cpuUsage()
  text.replace(pattern, '')
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1000
}

const maxMs = 60

/** The text on which a pattern takes much longer than its length; of one that is exponential a short one. */
function attackOn(pattern: Pattern): string | undefined {
  for (const pump of pumpsOf(pattern)) {
    for (const times of [25, 16_384]) {
      const text = `${pump.repeat(times)}\n\0`
      // Twice: the first time the pattern is compiled, and garbage may be collected at any.
      if (costOf(pattern, text) > maxMs && costOf(pattern, text) > maxMs) return pump
    }
  }
  return undefined
}

test('T24 no pattern takes longer than its text is long', () => {
  const files = ['src', 'agent', 'server'].flatMap((top) =>
    readdirSync(join(root, top), { recursive: true, withFileTypes: true })
      .filter((file) => file.isFile() && file.name.endsWith('.ts'))
      .map((file) => join(file.parentPath, file.name))
      .filter((file) => !file.includes('/gen/')),
  )
  const patterns = files.flatMap((file) => patternsOf(readFileSync(file, 'utf8')))
  expect(patterns.length).toBeGreaterThan(100)
  const slow = patterns.flatMap((pattern) => {
    const pump = attackOn(pattern)
    return pump === undefined ? [] : [{ ...pattern, pump }]
  })
  expect(slow).toEqual([])
})

test.each(['^(a+)+$', '^(\\w|a)+$', '\\s+$', '([a-z]+:\\/\\/[^\\s]*)', '%.*$'])(
  'T24 one that does is found: %s',
  (source) => {
    expect(attackOn({ source, flags: '' })).toBeDefined()
  },
)
