import { readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { families } from './rules.ts'

export const root: string = fileURLToPath(new URL('../..', import.meta.url))

const number = `(?:${families.map(({ name }) => name).join('|')})-\\d+`
/** Threats and faults have numbers of their own, which may stand among those of rules. */
const leading = /^(?:([A-Z][A-Z0-9]*-\d+)|[TF]\d+)(?:,? and |, | )/
const literal = new RegExp(`['"\`]((?:[TF]\\d+ )*${number}\\b[^'"\`]*)`, 'g')

/** What picks the tests that carry numbers out of all, matched on suite and title in one text. */
export const namePattern: string = `(?:^| )${number}\\b`

/** `X509-06, T33 a leaf …` → [`X509-06`], `a leaf …`. */
export function splitTitle(title: string): readonly [ids: readonly string[], rest: string] {
  const ids: string[] = []
  let rest = title
  for (let found = leading.exec(rest); found !== null; found = leading.exec(rest)) {
    if (found[1] !== undefined) ids.push(found[1])
    rest = rest.slice(found[0].length)
  }
  return [ids, rest]
}

/** Test file → the rules that its titles name, as they stand in the text: nothing is run. */
export function titledRules(): ReadonlyMap<string, readonly string[]> {
  const files = readdirSync(join(root, 'test'), { recursive: true, withFileTypes: true })
    .filter((file) => file.isFile() && file.name.endsWith('.test.ts'))
    .map((file) => relative(root, join(file.parentPath, file.name)))
    .filter((file) => file !== 'test/architecture/conformance.test.ts')
    .sort()
  return new Map(
    files
      .map((file) => [file, idsIn(readFileSync(join(root, file), 'utf8'))] as const)
      .filter(([, ids]) => ids.length > 0),
  )
}

function idsIn(source: string): readonly string[] {
  return [...source.matchAll(literal)].flatMap((match) => splitTitle(match[1] ?? '')[0])
}
