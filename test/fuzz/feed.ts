import { generateKeyPairSync, sign } from 'node:crypto'
import fc from 'fast-check'
import { eventsOf } from '../../src/revocation/event-stream.ts'
import { emptyHead, type Head, headAfter, type NumberedFact } from '../../src/revocation/fact.ts'
import {
  claimsOfMessage,
  type FeedMessage,
  readFeedMessage,
} from '../../src/revocation/feed-message.ts'
import { FollowedState } from '../../src/revocation/followed-state.ts'
import { encode } from '../spec/jwt-svid/tokens.ts'
import { editedJson, jsonEdits, jsonText, jsonTree } from '../support/json-tree.ts'
import { editedText } from '../support/text-edits.ts'
import { withTextBytes } from './bytes.ts'
import type { Parser } from './target.ts'

const issuer = 'https://as.example.org'
const facts: readonly NumberedFact[] = [
  { number: 3, kind: 'spiffe-id', id: 'spiffe://a/b', notBefore: 1, endsAt: 9 },
  { number: 4, kind: 'token', id: 'jti', notBefore: 0, endsAt: 90 },
  { number: 9, kind: 'trust-domain', id: 'a', notBefore: 5, endsAt: 1e10 },
  { number: 10, kind: 'spiffe-id', id: 'spiffe://a/b', notBefore: 3, endsAt: 20 },
]
const chain = (from: Head, some: readonly NumberedFact[]): Head => some.reduce(headAfter, from)
const early = chain(emptyHead, facts.slice(0, 2))
const late = chain(early, facts.slice(2))

const said = { iss: issuer, log: 'log', run: 'run', clock: 5, facts }
const hello = { nonce: 'nonce', now: 5, within: 20 }
const snapshot = (of: number, head: Head, all: readonly NumberedFact[]): FeedMessage[] =>
  Array.from({ length: of }, (_, at) => {
    const page = { number: at + 1, of }
    const some = all.filter((_fact, n) => n % of === at)
    return { ...said, head, facts: some, page, ...(at === 0 && { hello }) }
  })
const news: FeedMessage = { ...said, clock: 6, prev: early, head: late, facts: facts.slice(2) }
const calm: FeedMessage = { ...said, clock: 7, prev: late, head: late, facts: [] }
/** Each is signed, which is not what is measured here. */
const maxLines = 200
/** Begins another session. */
const again = null
const conversations: readonly (readonly (FeedMessage | null)[])[] = [
  [...snapshot(1, early, facts.slice(0, 2)), news, calm],
  [...snapshot(2, early, facts.slice(0, 2)), news],
  [...snapshot(3, late, facts), calm],
  [...snapshot(1, early, facts.slice(0, 2)), again, { ...news, hello }, calm],
  [...snapshot(2, early, facts.slice(0, 2)), again, ...snapshot(1, late, facts)],
]
const pieces = [...'{}[]":,', 'null', '1e400', '-1', '\\u0000', '\n', '\n\n', 'data:']

/** What a server says of revocations, a message a line: signed as they come, in a stream that was changed as well. */
export async function feedParser(): Promise<Parser> {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const spki = publicKey.export({ type: 'spki', format: 'der' })
  const header = encode({ alg: 'ES256', kid: 'a', typ: 'revocation-feed+jwt' })
  const trees = conversations.map((all) =>
    jsonTree(all.map((one) => (one === null ? null : claimsOfMessage(one)))),
  )
  const edits = jsonEdits(
    ['iss', 'log', 'run', 'clock', 'head', 'facts', 'prev', 'hello', 'page', 'nonce', 'of'],
    ['"nonce"', '"log"', '"token"', '[0,""]', JSON.stringify([early.number, early.hash]), '3', '4'],
  )
  const texts = fc
    .tuple(fc.constantFrom(...trees), fc.oneof(fc.constant([]), edits, edits))
    .map(([tree, some]) => {
      const { inside } = editedJson(tree, some)
      return Array.isArray(inside)
        ? inside.map((one) => jsonText(one as typeof tree)).join('\n')
        : ''
    })
  const event = (line: string): string => {
    const signed = `${header}.${Buffer.from(line, 'latin1').toString('base64url')}`
    const key = { key: privateKey, dsaEncoding: 'ieee-p1363' } as const
    const token = `${signed}.${sign('sha256', Buffer.from(signed), key).toString('base64url')}`
    const half = Math.floor(token.length / 2)
    // Data may come in several lines, which end as they like.
    return line.length % 3 === 0
      ? `id: 1\r\ndata: ${token.slice(0, half)}\r\ndata:${token.slice(half)}\r\n\r\n`
      : `data: ${token}\n\n: a comment\n\n`
  }
  return {
    inputs: withTextBytes(fc.oneof(texts, texts, editedText(texts, pieces))),
    async take(input) {
      const state = new FollowedState()
      const taken: NumberedFact[] = []
      const lines = Buffer.from(input).toString('latin1').split('\n').slice(0, maxLines)
      for (const session of lines.join('\n').split('\nnull\n')) {
        state.begin({ nonce: 'nonce', sentAtMs: 0 })
        const stream = Buffer.from(session.split('\n').map(event).join(''), 'latin1')
        for await (const text of eventsOf(chunksOf(stream))) {
          const message = await readFeedMessage(text, { issuer, keyOf: async () => spki })
          const before = state.lastEventId
          state.take(message, 10)
          checkStep(message, before, state)
          taken.push(...message.facts)
          checkFacts(taken, state)
        }
      }
      return state.facts.judge({ sub: 'spiffe://a/b', iat: 1 })
    },
  }
}

/** In pieces of all sizes, from one octet on. */
async function* chunksOf(stream: Buffer): AsyncGenerator<Buffer> {
  const size = 1 + (stream.length % 311)
  for (let at = 0; at < stream.length; at += size) yield stream.subarray(at, at + size)
}

/** What was taken stands where it says, and is the continuation of something. */
function checkStep(
  { log, head, prev, page, ...rest }: FeedMessage,
  before: string | undefined,
  state: FollowedState,
) {
  const known = state.lastEventId
  const isLastPage = page === undefined || page.number >= page.of
  if (prev === undefined) {
    if (isLastPage && known !== `${log}.${head.number}`) throw new Error('it knows something else')
    return
  }
  if (known !== `${log}.${head.number}`) throw new Error('it knows something else')
  if (before === undefined) throw new Error('nothing was known that this continues')
  const { number, hash } = chain(prev, rest.facts)
  if (number !== head.number || hash !== head.hash)
    throw new Error('what came is not what was said')
}

/** Nothing is lost of what was taken, and nothing else is known. */
function checkFacts(taken: readonly NumberedFact[], { facts: known }: FollowedState): void {
  const names = new Set(taken.map(({ kind, id }) => `${kind} ${id}`))
  if (known.size !== names.size) throw new Error(`${known.size} facts of ${names.size}`)
  for (const { kind, id, notBefore, endsAt } of taken) {
    const fact = known.find(kind, id)
    if (fact === undefined || fact.notBefore < notBefore || fact.endsAt < endsAt) {
      throw new Error(`${kind} ${id} is forgotten`)
    }
  }
}
