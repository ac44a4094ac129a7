import { CountersignError } from '../errors.ts'

const hex = /^[0-9A-Fa-f]{2}$/
/**
 * Unreserved characters, and those that mean themselves in a segment, which servers read as their escapes; but `+`: to
 * some it is a blank, and `%2B` never is.
 */
const sameAsEscape = /^[A-Za-z0-9._~!$&'()*,=:@-]$/
/** RFC 3986 §3.3 `pchar`, without `;`, at which some servers end a segment. */
const plain = /^[A-Za-z0-9._~!$&'()*+,=:@-]$/
/** `.` and `..`, and what becomes one of them, or nothing, for servers that leave out dots and blanks at the end. */
const dots = /^[. ]+$/
/** What would end a segment, or begin another escape, for whoever decodes once more. */
const refusedEscapes: Readonly<Record<string, string>> = {
  '%2F': 'path-encoded-slash',
  '%5C': 'path-backslash',
  '%25': 'path-double-encoding',
  '%3B': 'path-parameter',
}

/**
 * The segments of a path, which begins with a slash, in the one form that every reader finds, by whatever rules it reads:
 * escapes only where they are needed, and in upper case; the last is empty where there is a slash at the end. Throws
 * `invalid`: `path-…` (`form`, `character`, `encoding`, `encoded-slash`, `double-encoding`, `backslash`, `control`,
 * `parameter`, `dot-segment`, `empty-segment`).
 */
export function canonicalSegments(path: string): readonly string[] {
  if (!path.startsWith('/')) refuse('path-form', 'a path begins with a slash')
  const segments = path.slice(1).split('/').map(canonicalSegment)
  // A slash at the end is an empty segment; any other is one that some servers leave out.
  if (segments.slice(0, -1).includes('')) {
    refuse('path-empty-segment', 'the path has an empty segment')
  }
  return segments
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
  if (sameAsEscape.test(character)) return character
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

/** The segment must be UTF-8, and be no dots and hold no slash, also where look-alikes are made plain (NFKC). */
function checkReading(segment: string): void {
  const text = segment.includes('%') ? decodedText(segment) : segment
  if (dots.test(text))
    refuse('path-dot-segment', 'the path holds a segment of dots or blanks alone')
  if (segment === text) return
  const folded = text.normalize('NFKC')
  if (dots.test(folded) || /[/\\%;]/.test(folded)) {
    refuse('path-encoding', 'the path holds characters that some read as dots, slashes or escapes')
  }
}

/** What the escapes of a text stand for. Throws `invalid`, `path-encoding`. */
export function decodedText(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return refuse('path-encoding', 'an escape is not UTF-8')
  }
}

function refuse(reason: string, message: string): never {
  throw new CountersignError('invalid', message, { reason })
}
