import { generateKeyPairSync, sign } from 'node:crypto'
import fc from 'fast-check'
import { eventsOf } from '../../src/revocation/event-stream.ts'
import { emptyHead, headAfter } from '../../src/revocation/fact.ts'
import {
  claimsOfMessage,
  type FeedMessage,
  readFeedMessage,
} from '../../src/revocation/feed-message.ts'
import { FollowedState } from '../../src/revocation/followed-state.ts'
import { editedText } from '../support/text-edits.ts'
import { withTextBytes } from './bytes.ts'

const issuer = 'https://as.example.org'
const fact = { number: 3, kind: 'spiffe-id', id: 'spiffe://a/b', notBefore: 1, endsAt: 9 } as const
const head = headAfter(emptyHead, fact)
const said = { iss: issuer, log: 'log', run: 'run', clock: 5, head, facts: [fact] }
const hello = { nonce: 'nonce', now: 5 }
const samples: readonly FeedMessage[] = [
  { ...said, hello, page: { number: 1, of: 1 } },
  { ...said, hello, prev: emptyHead },
  { ...said, facts: [], prev: head },
]

const pieces = [
  '{',
  '}',
  '[',
  ']',
  '"',
  ':',
  ',',
  'null',
  '1e400',
  '-1',
  '\\u0000',
  '\n\n',
  'data:',
]

/** What a server says of revocations: claims signed as they come, in a stream that was changed as well. */
export async function feedParser(): Promise<{
  readonly inputs: fc.Arbitrary<Uint8Array>
  take(input: Uint8Array): Promise<unknown>
}> {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const spki = publicKey.export({ type: 'spki', format: 'der' })
  const header = Buffer.from('{"alg":"ES256","kid":"a","typ":"revocation-feed+jwt"}')
  const texts = samples.map((message) => JSON.stringify(claimsOfMessage(message)))
  return {
    inputs: withTextBytes(editedText(fc.constantFrom(...texts), pieces)),
    async take(input) {
      const signed = `${header.toString('base64url')}.${Buffer.from(input).toString('base64url')}`
      const key = { key: privateKey, dsaEncoding: 'ieee-p1363' } as const
      const signature = sign('sha256', Buffer.from(signed), key).toString('base64url')
      const stream = [`id: 1\ndata: ${signed}.${signature}\n\n`, input]
      const state = new FollowedState()
      state.begin({ nonce: 'nonce', sentAtMs: 0 })
      for await (const event of eventsOf(chunks(stream))) {
        state.take(await readFeedMessage(event, { issuer, keyOf: async () => spki }), 0)
      }
      return state.facts.judge({ sub: 'spiffe://a/b', iat: 1 })
    },
  }
}

async function* chunks(
  parts: readonly (string | Uint8Array)[],
): AsyncGenerator<string | Uint8Array> {
  yield* parts
}
