import { canonicalSegments } from './canonical-path.ts'

/**
 * Whether a canonical path is one that a pattern allows, segment by segment: `*` is any one segment, `**` at the
 * end whatever follows, and nothing too. Letters count as they are written.
 */
export function matchesPath(pattern: string, path: string): boolean {
  const wanted = pattern.split('/')
  const segments = path.split('/')
  const open = wanted.at(-1) === '**'
  const fixed = open ? wanted.slice(0, -1) : wanted
  if (open ? segments.length < fixed.length : segments.length !== fixed.length) return false
  return fixed.every((want, at) => {
    const segment = segments[at] ?? ''
    return want === '*' ? segment !== '' : want === segment
  })
}

/** A canonical path, with stars as whole segments alone. */
export function isPathPattern(text: string): boolean {
  const [first, ...segments] = text.split('/')
  return (
    first === '' &&
    segments.length > 0 &&
    segments.slice(0, -1).every((segment) => segment !== '' && segment !== '**') &&
    segments.every(
      (segment) =>
        ['*', '**'].includes(segment) || (!segment.includes('*') && isCanonical(segment)),
    )
  )
}

function isCanonical(segment: string): boolean {
  try {
    return canonicalSegments(`/${segment}`)[0] === segment
  } catch {
    return false
  }
}
