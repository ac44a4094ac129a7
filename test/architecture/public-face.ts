import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** All that a user of the library can depend on, a line each: what is exported from where, and what errors may say. */
export function publicFace(root: string): string {
  const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    readonly exports: Readonly<Record<string, string>>
  }
  const read = (file: string): string => readFileSync(join(root, file), 'utf8')
  const names = Object.entries(exports).flatMap(([subPath, entry]) =>
    exportsOf(read(entry)).map((name) => `${join('countersign', subPath)} ${name}`),
  )
  const codes = /ErrorCode =([^}]+?)\n\n/.exec(read('src/errors.ts'))?.[1] ?? ''
  const reasons = new Set<string>()
  const seen = new Set<string>()
  const follow = (file: string): void => {
    if (seen.has(file)) return
    seen.add(file)
    const text = read(file)
    for (const reason of reasonsOf(text)) reasons.add(reason)
    for (const next of importsOf(text)) follow(join(file, '..', next))
  }
  for (const entry of Object.values(exports)) follow(entry)
  return [
    ...names.sort(),
    ...[...codes.matchAll(/'([\w-]+)'/g)].map(([, code]) => `code ${code}`).sort(),
    ...[...reasons].sort().map((reason) => `reason ${reason}`),
    '',
  ].join('\n')
}

/** `X509Source`, `type Endpoint`: an entry names each of its exports. */
function exportsOf(entry: string): string[] {
  return [...entry.matchAll(/^export (type )?\{([^}]*)\}/gm)].flatMap(([, type = '', names = '']) =>
    names
      .split(',')
      .map((name) => name.trim().replace(/^(type )?.* as /, '$1'))
      .filter((name) => name !== '')
      .map((name) => `${type}${name}`),
  )
}

/** What runs: a module of which only types are wanted is not loaded. */
function importsOf(text: string): string[] {
  const loaded = text.matchAll(/(?:^(?:im|ex)port (?!type\b)[^;'"]*? from |import\()'(\.[^']+)'/gm)
  return [...loaded].map(([, file = '']) => file)
}

// Words that are handed to other functions.
const noReasons: ReadonlySet<string> = new Set(['utf-8', 'x509-svid', 'jwt-svid'])

/** `{ reason: '…' }`, one of two, one that is made up of another, and `refuse('…', …)`. */
function reasonsOf(code: string): string[] {
  const named = [...code.matchAll(/\breason: ([^\n]*)/g)].flatMap(([, value = '']) => [
    ...value.matchAll(/'([a-z0-9]+(?:-[a-z0-9]+)*)'|`([a-z0-9]+-)\$\{/g),
  ])
  const refused = code.matchAll(/\w\(\s*'([a-z0-9]+(?:-[a-z0-9]+)+)'[,)]/g)
  return [...named, ...refused]
    .map(([, whole, beginning]) => whole ?? `${beginning}…`)
    .filter((reason) => !noReasons.has(reason))
}
