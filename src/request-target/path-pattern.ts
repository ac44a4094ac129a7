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

/** Of the characters of a canonical path, with stars as whole segments alone. */
export function isPathPattern(text: string): boolean {
  const [first, ...segments] = text.split('/')
  return (
    first === '' &&
    segments.length > 0 &&
    segments.slice(0, -1).every((segment) => segment !== '' && segment !== '**') &&
    segments.every(
      (segment) =>
        ['*', '**'].includes(segment) ||
        (/^(?:[A-Za-z0-9._~!$&'()+,=:@-]|%[0-9A-F]{2})*$/.test(segment) &&
          !/^\.{1,2}$/.test(segment)),
    )
  )
}
