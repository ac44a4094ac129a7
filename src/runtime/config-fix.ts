import type { z } from 'zod'

/** What a setting says that is wrong, and what to do about it. */
export interface Said {
  readonly message: string
  readonly fix: string
}

/** `key`: what the operator called it. A message may end with what to do, in brackets. */
export function sayWrong(issue: z.core.$ZodIssue, message: string, key: string): Said {
  const at = message.endsWith(')') ? message.lastIndexOf(' (') : -1
  if (at > 0) return { message: message.slice(0, at), fix: message.slice(at + 2, -1) }
  return { message, fix: fixOf(issue, key) }
}

/**
 * Of what may be written in several ways, none of which was: the way that comes nearest. Where all fail at the
 * same value, what each of them expects.
 */
export function chosen(issue: z.core.$ZodIssue): z.core.$ZodIssue {
  // One that has a word of its own says better what is meant.
  if (issue.code !== 'invalid_union' || issue.message !== 'Invalid input') return issue
  const [nearestWay = []] = issue.errors.toSorted((a, b) => a.length - b.length)
  const [first] = nearestWay.map(chosen)
  if (first === undefined) return issue
  const path = [...issue.path, ...first.path]
  if (first.path.length > 0 || first.code === 'unrecognized_keys') return { ...first, path }
  const expected = issue.errors.map(([way = issue]) => sayWrong(way, inWords(way), '').message)
  return { ...issue, message: [...new Set(expected)].join('; or ') }
}

/** Zod's message without the part that says nothing. */
export function inWords({ message }: z.core.$ZodIssue): string {
  return message.replace(/^Invalid (?:input|option): |^Invalid discriminator value\. /, '')
}

function fixOf(issue: z.core.$ZodIssue, key: string): string {
  switch (issue.code) {
    case 'invalid_type':
      return `write ${kindsInWords[issue.expected] ?? `a value of type ${issue.expected}`}`
    case 'invalid_value':
      return `use one of: ${issue.values.map(String).join(', ')}`
    case 'too_small':
      return `write ${amount(issue.origin, issue.minimum, 'at least')}`
    case 'too_big':
      return `write ${amount(issue.origin, issue.maximum, 'at most')}`
    case 'invalid_union':
      return fixOfWays(issue, key)
    default:
      return `correct ${key === '' ? 'the file' : key}: docs/configuration.md says what it may be`
  }
}

/** Of what may be written in several ways: told apart by a word, or each with what it asks for. */
function fixOfWays(issue: z.core.$ZodIssueInvalidUnion, key: string): string {
  if ('options' in issue) return `use one of: ${issue.options.map(String).join(', ')}`
  const fixes = issue.errors.flatMap(([first]) =>
    first === undefined ? [] : sayWrong(first, first.message, key).fix,
  )
  return [...new Set(fixes)].join('; or ')
}

const kindsInWords: Readonly<Record<string, string>> = {
  string: 'a text, in quotes where YAML would read it as something else',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'keys with their values',
  record: 'keys with their values',
}

function amount(origin: string, bound: number | bigint, how: string): string {
  if (origin === 'string') return `${how} ${bound} ${bound === 1 ? 'character' : 'characters'}`
  return origin === 'array' ? `${how} ${bound} of them` : `${how} ${bound}`
}
