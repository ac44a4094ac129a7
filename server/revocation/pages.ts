import { type Head, headAfter, type NumberedFact } from '../../src/revocation/fact.ts'
import type { FeedMessage } from '../../src/revocation/feed-message.ts'
import type { Continuation } from './revocations.ts'

type Part = Pick<FeedMessage, 'prev' | 'facts' | 'head' | 'page'>

/** Of the facts of one message, as they are written: base64 and signature make it a third more. */
const maxBytes = 40_000

/** Cuts facts into runs that fit into one message each; one run, empty, where there are none. */
function pagesOf(facts: readonly NumberedFact[]): readonly (readonly NumberedFact[])[] {
  const pages: NumberedFact[][] = [[]]
  let size = 0
  for (const fact of facts) {
    const bytes = Buffer.byteLength(JSON.stringify(fact.id)) + 64
    if (size + bytes > maxBytes && size > 0) {
      pages.push([])
      size = 0
    }
    pages.at(-1)?.push(fact)
    size += bytes
  }
  return pages
}

/** Facts that continue the chain. */
export function chainedParts({ prev, facts }: Continuation): readonly Part[] {
  let from = prev
  return pagesOf(facts).map((page) => {
    const head = page.reduce(headAfter, from)
    const part = { prev: from, facts: page, head }
    from = head
    return part
  })
}

/** All facts, as of a head. */
export function snapshotParts(head: Head, facts: Iterable<Omit<NumberedFact, 'number'>>): Part[] {
  const pages = pagesOf(Array.from(facts, (fact) => ({ ...fact, number: 0 })))
  return pages.map((page, at) => ({
    facts: page,
    head,
    prev: undefined,
    page: { number: at + 1, of: pages.length },
  }))
}
