import { decodedText } from './canonical-path.ts'

/** What some servers leave out behind a segment; looked for from where it begins, so that many dots cost no more. */
const blanksBehind = /(?<![. ])[. ]+$/

/**
 * A canonical path, or a pattern of such, as it is for servers that take one for another: in lower case, look-alikes
 * made plain, without dots and blanks behind a segment, and without a slash at the end. Two that any of these servers
 * takes for one are equal here; nobody is asked for it.
 */
export function foldedPath(path: string): string {
  const segments = path
    .split('/')
    .map((segment) =>
      decodedText(segment).normalize('NFKC').toLowerCase().replace(blanksBehind, ''),
    )
  if (segments.length > 2 && segments.at(-1) === '') segments.pop()
  return segments.join('/')
}
