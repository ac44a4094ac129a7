import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** All that a user of the library can depend on, a line each: what is exported from where, and what errors may say. */
export function publicFace(root: string): string {
  const read = (file: string): string => readFileSync(join(root, file), 'utf8')
  const entries = entriesOf(root)
  const names = entries.flatMap(({ subPath, text }) =>
    namesOf(text).map(({ type, exported }) => `${join('countersign', subPath)} ${type}${exported}`),
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
  for (const { entry } of entries) follow(entry)
  return [
    ...names.sort(),
    ...[...codes.matchAll(/'([\w-]+)'/g)].map(([, code]) => `code ${code}`).sort(),
    ...[...reasons].sort().map((reason) => `reason ${reason}`),
    '',
  ].join('\n')
}

/** What users can import and nothing is said of where it is declared: `src/tls.ts connect`. */
export function undocumented(root: string): string[] {
  return entriesOf(root).flatMap(({ entry, text }) =>
    namesOf(text)
      .filter(
        ({ name, from }) =>
          !isDocumented(readFileSync(join(root, entry, '..', from), 'utf8'), name),
      )
      .map(({ name }) => `${entry} ${name}`),
  )
}

function isDocumented(text: string, name: string): boolean {
  const declared = text.matchAll(/^(.*)\nexport (?:async )?\w+\*? (\w+)/gm)
  return [...declared].some(([, before = '', word]) => word === name && before.endsWith('*/'))
}

interface ExportedName {
  /** `type ` for a type. */
  readonly type: string
  readonly name: string
  readonly exported: string
  readonly from: string
}

function namesOf(entry: string): ExportedName[] {
  return [...entry.matchAll(/^export (type )?\{([^}]*)\} from '([^']+)'/gm)].flatMap(
    ([, allTypes = '', names = '', from = '']) =>
      [...names.matchAll(/(type )?(\w+)(?: as (\w+))?/g)].map(
        ([, type = allTypes, name = '', exported = name]) => ({ type, name, exported, from }),
      ),
  )
}

function entriesOf(root: string): { subPath: string; entry: string; text: string }[] {
  const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    readonly exports: Readonly<Record<string, string>>
  }
  return Object.entries(exports).map(([subPath, entry]) => ({
    subPath,
    entry,
    text: readFileSync(join(root, entry), 'utf8'),
  }))
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
