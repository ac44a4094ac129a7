import { readFileSync } from 'node:fs'
import {
  type Document,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
  visit,
} from 'yaml'
import type { ZodType, z } from 'zod'
import { CountersignError } from '../errors.ts'
import { chosen, inWords, sayWrong } from './config-fix.ts'
import { nearest } from './suggest.ts'

const maxConfigBytes = 1 << 20

/**
 * Reads a YAML file (JSON is YAML) and checks it against the schema. Throws `invalid`:
 * `config-unreadable`, `config-syntax`, `config-key` (an unknown key, with its line and the nearest
 * valid one) or `config-value`.
 */
export function readConfigFile<T>(path: string, schema: ZodType<T>): T {
  return parseConfig(readText(path), path, schema)
}

function readText(path: string): string {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    throw new CountersignError('invalid', `cannot read the config file ${path}`, {
      reason: 'config-unreadable',
      fix: 'name a file that is there and that this user can read',
      cause: error,
    })
  }
  if (text.length > maxConfigBytes) {
    throw new CountersignError('invalid', `the config file ${path} is larger than 1 MiB`, {
      reason: 'config-unreadable',
      fix: 'name the config file itself, or make it shorter',
    })
  }
  return text
}

/** As `readConfigFile`, of a text; `name` is what messages call it. */
export function parseConfig<T>(text: string, name: string, schema: ZodType<T>): T {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines })
  checkSyntax(document, name, (offset) => `${name}:${lines.linePos(offset).line}`)
  const value = plainValue(document, name)
  const result = schema.safeParse(value)
  if (result.success) return result.data
  const lineOf = (path: readonly PropertyKey[]): string => {
    const offset = offsetOf(document.contents, path)
    return offset === undefined ? '' : `:${lines.linePos(offset).line}`
  }
  throw describeIssue(result.error.issues.map(chosen), { name, value, lineOf, schema })
}

/** Beside what is no YAML: what would be taken for something else than was meant, or for nothing. */
function checkSyntax(document: Document, name: string, placeOf: (offset: number) => string): void {
  const [syntax] = document.errors
  if (syntax?.code === 'MULTIPLE_DOCS') {
    refuseSyntax(`${placeOf(syntax.pos[0])}: another document begins`, 'leave one of them alone')
  }
  if (syntax !== undefined) {
    const [what = ''] = syntax.message.split('\n')
    refuseSyntax(
      `${name}: ${what.replace(/:$/, '')}`,
      syntax.code === 'DUPLICATE_KEY'
        ? 'keep one of the two'
        : 'correct that line: a YAML file is expected, with spaces in front of what belongs to the line above',
    )
  }
  const unknown = document.warnings.find(({ code }) => code in notUnderstood)
  if (unknown !== undefined) {
    const what = notUnderstood[unknown.code as keyof typeof notUnderstood]
    refuseSyntax(`${placeOf(unknown.pos[0])}: an unknown ${what}`, 'write the value itself')
  }
  visit(document, {
    Pair(_, { key }) {
      const at = placeOf((key as Node | null)?.range?.[0] ?? 0)
      if (isMap(key) || isSeq(key))
        refuseSyntax(`${at}: a key is one word`, 'take out the brackets')
      // Of `!!binary`, say: the reader would make a text of it, and have Node print that as a warning.
      if (isScalar(key) && typeof key.value === 'object' && key.value !== null) {
        refuseSyntax(`${at}: a key is one word`, 'write the word itself, without a tag')
      }
      if (isScalar(key) && key.value === '__proto__') {
        refuseSyntax(`${at}: no key is called __proto__`, 'remove it')
      }
    },
  })
}

const notUnderstood = {
  BAD_COLLECTION_TYPE: 'tag',
  BAD_DIRECTIVE: 'directive',
  TAG_RESOLVE_FAILED: 'tag',
} as const

function plainValue(document: Document, name: string): unknown {
  try {
    return document.toJS({ maxAliasCount: 0 }) ?? {}
  } catch (cause) {
    return refuseSyntax(
      `${name}: aliases are not allowed here`,
      'write the value out where it is used',
      cause,
    )
  }
}

function refuseSyntax(message: string, fix: string, cause?: unknown): never {
  throw new CountersignError('invalid', message, { reason: 'config-syntax', fix, cause })
}

function offsetOf(root: unknown, path: readonly PropertyKey[]): number | undefined {
  let node: unknown = root
  let offset: number | undefined
  for (const part of path) {
    if (isSeq(node) && typeof part === 'number') {
      node = node.items[part]
      offset = (node as Node | undefined)?.range?.[0] ?? offset
      continue
    }
    if (!isMap(node)) break
    const pair = node.items.find((item) => isScalar(item.key) && item.key.value === part)
    if (pair === undefined) break
    offset = (pair.key as Node).range?.[0] ?? offset
    node = pair.value
  }
  return offset
}

interface WhatWasRead {
  readonly name: string
  readonly value: unknown
  lineOf(path: readonly PropertyKey[]): string
  readonly schema: ZodType
}

function describeIssue(
  issues: readonly z.core.$ZodIssue[],
  { name, value, lineOf, schema }: WhatWasRead,
): CountersignError {
  const unknown = issues.find((issue) => issue.code === 'unrecognized_keys')
  if (unknown !== undefined) {
    const key = unknown.keys[0] ?? ''
    const path = [...unknown.path, key]
    const keys = keysAt(schema, unknown.path)
    const suggestion = nearest(key, keys)
    return new CountersignError(
      'invalid',
      `${name}${lineOf(path)}: unknown key "${path.join('.')}"`,
      {
        reason: 'config-key',
        fix: suggestion === undefined ? removeIt(keys) : `did you mean "${suggestion}"?`,
      },
    )
  }
  const issue = issues[0]
  const path = issue?.path ?? []
  const key = path.join('.')
  if (issue !== undefined && isMissing(issue, value)) {
    return new CountersignError('invalid', `${name}${lineOf(path)}: "${key}" is missing`, {
      reason: 'config-value',
      fix: `add ${String(path.at(-1))}`,
    })
  }
  const where = path.length === 0 ? '' : `"${key}": `
  const what = issue === undefined || isEmpty(issue) ? 'must not be empty' : inWords(issue)
  const { message, fix } =
    issue === undefined ? { message: what, fix: undefined } : sayWrong(issue, what, key)
  return new CountersignError('invalid', `${name}${lineOf(path)}: ${where}${message}`, {
    reason: 'config-value',
    fix,
  })
}

const maxKeysSaid = 40

function removeIt(keys: readonly string[]): string {
  if (keys.length === 0) return 'remove it'
  const more = keys.length > maxKeysSaid ? ', …' : ''
  return `remove it, or use one of: ${keys.slice(0, maxKeysSaid).join(', ')}${more}`
}

/** A key that has to be there is not, whatever may stand there. */
function isMissing({ code, path }: z.core.$ZodIssue, value: unknown): boolean {
  if (path.length === 0 || !aboutWhatIsThere.has(code ?? '')) return false
  let at = value
  for (const part of path) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, part)) return true
    at = (at as Record<PropertyKey, unknown>)[part]
  }
  return false
}

const aboutWhatIsThere: ReadonlySet<string> = new Set([
  'invalid_type',
  'invalid_value',
  'invalid_union',
])

function isEmpty(issue: z.core.$ZodIssue): boolean {
  return issue.code === 'too_small' && issue.minimum === 1 && issue.origin !== 'number'
}

/** The keys that the schema's object at this path has. */
function keysAt(schema: ZodType, path: readonly PropertyKey[]): readonly string[] {
  let at: unknown = schema
  for (const part of path) {
    at = typeof part === 'number' ? elementOf(at) : shapeOf(at)?.[String(part)]
  }
  return Object.keys(shapeOf(at) ?? {})
}

/** The schema of an array's elements, through what stands around it. */
function elementOf(schema: unknown): unknown {
  let at = schema as { element?: unknown; unwrap?: () => unknown } | undefined
  for (let depth = 0; depth < 8 && at !== undefined && at.element === undefined; depth += 1) {
    at = at.unwrap?.() as typeof at
  }
  return at?.element
}

function shapeOf(schema: unknown): Readonly<Record<string, unknown>> | undefined {
  let at = schema as { shape?: Record<string, unknown>; unwrap?: () => unknown } | undefined
  for (let depth = 0; depth < 8 && at !== undefined; depth += 1) {
    if (at.shape !== undefined) return at.shape
    at = at.unwrap?.() as typeof at
  }
  return undefined
}
