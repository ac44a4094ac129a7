import { signCompact } from '../../../src/jwt/sign.ts'
import {
  emptyHead,
  type Fact,
  type FactKind,
  type Head,
  headAfter,
  type NumberedFact,
} from '../../../src/revocation/fact.ts'
import {
  claimsOfMessage,
  type FeedMessage,
  feedType,
} from '../../../src/revocation/feed-message.ts'
import { generateKeyPair, type Signer, softwareSigner } from '../../../src/x509/key.ts'

export const issuer = 'https://as.example.org'
export const feedKey: Signer = softwareSigner((await generateKeyPair('ec-p256')).privateKey)

export function fact(id: string, kind: FactKind = 'spiffe-id'): Fact {
  return { kind, id, notBefore: 1000, endsAt: 4e9 }
}

/** What a server says, whose monotonic clock is far ahead of the reader's. */
export class Teller {
  head: Head = emptyHead
  log = 'log'
  run = 'run'
  nonce = 'nonce'
  /** The server's clock. */
  now = 5_000_000

  /** The facts at the end of the chain, as a message tells them; the head goes along. */
  append(...facts: readonly Fact[]): FeedMessage {
    const prev = this.head
    const numbered = facts.map(
      (one, at): NumberedFact => ({ ...one, number: prev.number + 2 + at }),
    )
    this.head = numbered.reduce(headAfter, prev)
    return this.message({ prev, facts: numbered })
  }

  message(more: Partial<FeedMessage> = {}): FeedMessage {
    const { head, log, run, now } = this
    return { iss: issuer, log, run, clock: now, head, facts: [], prev: head, ...more }
  }

  hello(more: Partial<FeedMessage> = {}): FeedMessage {
    const { nonce, now } = this
    return { ...this.message(more), hello: { nonce, now } }
  }

  page(number: number, of: number, facts: readonly NumberedFact[] = []): FeedMessage {
    return { ...this.hello({ facts, page: { number, of } }), prev: undefined }
  }
}

export function sign(message: FeedMessage, by: Signer = feedKey, keyId = 'feed'): Promise<string> {
  return signCompact(by, keyId, claimsOfMessage(message), feedType)
}
