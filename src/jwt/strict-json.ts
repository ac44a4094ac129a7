import { CountersignError } from '../errors.ts'

/** A JSON object from outside. */
export interface JsonObject {
  /** Without a prototype: a member that is not there is undefined, whatever its name. */
  readonly members: Readonly<Record<string, unknown>>
  /** The text of each top-level member that is a number, digit by digit: JSON.parse rounds above 2^53. */
  readonly numbers: ReadonlyMap<string, string>
}

export const MAX_JSON_DEPTH = 32
/** Members and elements of all levels together: a full bundle has a third of these. */
export const MAX_JSON_PARTS = 32_768

const QUOTE = 0x22
const COMMA = 0x2c
const OPEN_ARRAY = 0x5b
const BACKSLASH = 0x5c
const CLOSE_ARRAY = 0x5d
const OPEN_OBJECT = 0x7b
const CLOSE_OBJECT = 0x7d

function refuse(reason: string, message: string, cause?: unknown): never {
  throw new CountersignError('invalid', message, { reason, cause })
}

/**
 * Reads one JSON object. Two members of one name are refused at every depth, since two readers may
 * pick different ones (RFC 8259 §4); so is the name `__proto__`. The caller bounds the text.
 * Throws `invalid`: `json-malformed`, `json-not-an-object`, `json-duplicate-member`,
 * `json-forbidden-member`, `json-too-deep`, `json-too-many-parts`.
 */
export function parseJsonObject(text: string): JsonObject {
  // Before it is parsed: an object with as many members as 1 MiB holds costs a third of a second.
  checkParts(text)
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    // The parser's own error quotes the text, which may be a token: it is not kept as the cause.
    return refuse('json-malformed', 'malformed JSON')
  }
  if (!isJsonObject(value)) return refuse('json-not-an-object', 'a JSON object is expected')
  const numbers = new Map<string, string>()
  inspect(text, numbers)
  return { members: Object.setPrototypeOf(value, null), numbers }
}

/** Commas and brackets in strings count too, so that nothing has to be told apart. */
function checkParts(text: string): void {
  let parts = 0
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i)
    if (c === COMMA || c === OPEN_ARRAY || c === OPEN_OBJECT) parts++
  }
  if (parts > MAX_JSON_PARTS) refuse('json-too-many-parts', 'the JSON has too many parts')
}

export function isJsonObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Walks over text that JSON.parse took, in linear time: only strings and brackets have to be told apart. */
function inspect(text: string, numbers: Map<string, string>): void {
  // The names seen so far in each open object; undefined for an open array.
  const open: (Set<string> | undefined)[] = []
  let nameComes = false
  for (let i = 0; i < text.length; i++) {
    switch (text.charCodeAt(i)) {
      case QUOTE: {
        const end = endOfString(text, i)
        if (nameComes) {
          const name = nameIn(text.slice(i, end))
          claim(name, open.at(-1))
          if (open.length === 1) noteNumber(text, end, name, numbers)
          nameComes = false
        }
        i = end - 1
        break
      }
      case OPEN_OBJECT:
      case OPEN_ARRAY:
        if (open.length === MAX_JSON_DEPTH) refuse('json-too-deep', 'the JSON is nested too deeply')
        nameComes = text.charCodeAt(i) === OPEN_OBJECT
        open.push(nameComes ? new Set() : undefined)
        break
      case CLOSE_OBJECT:
      case CLOSE_ARRAY:
        open.pop()
        nameComes = false
        break
      case COMMA:
        nameComes = open.at(-1) !== undefined
        break
    }
  }
}

/** The index behind the closing quote of the string that starts at `start`. */
function endOfString(text: string, start: number): number {
  let i = start + 1
  while (text.charCodeAt(i) !== QUOTE) i += text.charCodeAt(i) === BACKSLASH ? 2 : 1
  return i + 1
}

function nameIn(quoted: string): string {
  return quoted.includes('\\') ? String(JSON.parse(quoted)) : quoted.slice(1, -1)
}

function claim(name: string, names: Set<string> | undefined): void {
  if (name === '__proto__') {
    refuse('json-forbidden-member', 'the JSON holds a member that is not allowed')
  }
  if (names?.has(name)) refuse('json-duplicate-member', 'the JSON holds a member twice')
  names?.add(name)
}

function noteNumber(text: string, from: number, name: string, numbers: Map<string, string>): void {
  const number = /[ \t\r\n]*:[ \t\r\n]*(-?[0-9][0-9.eE+-]*)/y
  number.lastIndex = from
  const source = number.exec(text)?.[1]
  if (source !== undefined) numbers.set(name, source)
}
