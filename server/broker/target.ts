import { CountersignError } from '../../src/errors.ts'

/**
 * What is asked of an integration, in the one form that the policy sees and the vendor gets: whoever reads
 * it, by whatever rules, finds the same path.
 */
export interface Target {
  /** The first segment of what the caller asked for. */
  readonly integration: string
  /** What is behind it: `/v2/contacts`. Unreserved characters are plain, escapes in upper case. */
  readonly path: string
  /** With its `?`; empty where there is none. */
  readonly query: string
}

const maxTargetLength = 8192
const hex = /^[0-9A-Fa-f]{2}$/
const unreserved = /^[A-Za-z0-9._~-]$/
/** RFC 3986 §3.3 `pchar`, without `;`, at which some servers end a segment. */
const plain = /^[A-Za-z0-9._~!$&'()*+,=:@-]$/
const queryText = /^(?:[A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2})*$/
/** What would end a segment, or begin another escape, for whoever decodes once more. */
const refusedEscapes: Readonly<Record<string, string>> = {
  '%2F': 'path-encoded-slash',
  '%5C': 'path-backslash',
  '%25': 'path-double-encoding',
  '%3B': 'path-parameter',
}

/**
 * Reads a request's target: origin-form, or absolute-form that names `origin`. Throws `invalid`: `target-too-large`,
 * `target-form`, `target-authority`, `path-…` (`character`, `encoding`, `encoded-slash`, `double-encoding`,
 * `backslash`, `control`, `parameter`, `dot-segment`, `empty-segment`), `query-character`, `query-token`.
 */
export function readTarget(target: string, origin: string): Target {
  if (target.length > maxTargetLength) {
    refuse('target-too-large', `a target has at most ${maxTargetLength} bytes`)
  }
  const local = target.startsWith('/') ? target : withoutOrigin(target, origin)
  const mark = local.indexOf('?')
  const path = mark < 0 ? local : local.slice(0, mark)
  const query = mark < 0 ? '' : local.slice(mark)
  const [integration = '', ...segments] = path.slice(1).split('/').map(canonicalSegment)
  // A slash at the end is an empty segment; any other is one that some servers leave out.
  if (integration === '' || segments.slice(0, -1).includes('')) {
    refuse('path-empty-segment', 'the path has an empty segment')
  }
  if (!queryText.test(query)) refuse('query-character', 'the query holds what no URL may')
  if (namesIn(query).includes('access_token')) {
    refuse('query-token', 'a token belongs into the header authorization, not into the URL')
  }
  return { integration, path: `/${segments.join('/')}`, query }
}

/** The parameters' names in a query, decoded, in lower case. */
export function namesIn(query: string): readonly string[] {
  return query
    .slice(1)
    .split(/[&;]/)
    .map((pair) => decoded((pair.split('=')[0] ?? '').replaceAll('+', ' ')).toLowerCase())
}

function withoutOrigin(target: string, origin: string): string {
  if (!/^https?:\/\//i.test(target)) refuse('target-form', 'the target is neither a path nor a URL')
  if (!target.startsWith(`${origin}/`)) {
    refuse('target-authority', 'the URL in the target names another place than this')
  }
  return target.slice(origin.length)
}

function canonicalSegment(segment: string): string {
  let canonical = ''
  for (let at = 0; at < segment.length; at += 1) {
    const character = segment[at] ?? ''
    if (character === '%') {
      const digits = segment.slice(at + 1, at + 3)
      if (!hex.test(digits)) refuse('path-encoding', 'a percent sign without two digits')
      canonical += canonicalEscape(digits)
      at += 2
    } else {
      if (!plain.test(character)) refuseCharacter(character)
      canonical += character
    }
  }
  checkReading(canonical)
  return canonical
}

function canonicalEscape(digits: string): string {
  const code = Number.parseInt(digits, 16)
  if (code < 0x20 || code === 0x7f) refuse('path-control', 'the path holds a control character')
  const character = String.fromCharCode(code)
  if (unreserved.test(character)) return character
  const octet = `%${digits.toUpperCase()}`
  const reason = refusedEscapes[octet]
  if (reason !== undefined) refuse(reason, `the path holds ${octet}`)
  return octet
}

function refuseCharacter(character: string): never {
  if (character === '\\') refuse('path-backslash', 'the path holds a backslash')
  if (character === ';') refuse('path-parameter', 'the path holds a semicolon')
  return refuse('path-character', 'the path holds what no URL may')
}

/** The segment must be UTF-8, and be no dots or hold no slash, also where look-alikes are made plain (NFKC). */
function checkReading(segment: string): void {
  const text = segment.includes('%') ? decoded(segment) : segment
  if (text === '.' || text === '..') refuse('path-dot-segment', 'the path holds a dot segment')
  if (segment === text) return
  const folded = text.normalize('NFKC')
  if (/^\.{1,2}$|[/\\%;]/.test(folded)) {
    refuse('path-encoding', 'the path holds characters that some read as dots, slashes or escapes')
  }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return refuse('path-encoding', 'an escape is not UTF-8')
  }
}

function refuse(reason: string, message: string): never {
  throw new CountersignError('invalid', message, { reason })
}
