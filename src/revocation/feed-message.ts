import { CountersignError } from '../errors.ts'
import { readCompact } from '../jwt/compact.ts'
import { publicKeyOf } from '../jwt/key-cache.ts'
import { verifySignature } from '../jwt/verify.ts'
import { type FactKind, factKinds, type Head, type NumberedFact } from './fact.ts'

/** `typ` of what the feed says: no token of any other kind is taken for it, nor it for one. */
export const feedType = 'revocation-feed+jwt' as const

/** One message of the feed, as one compact JWS by the feed's own key. */
export interface FeedMessage {
  /** The authorization server. */
  readonly iss: string
  /** Id of the change log that numbers belong to. */
  readonly log: string
  /** The run of the server that speaks; its clock begins anew with each. */
  readonly run: string
  /** By that clock, in milliseconds: what was known up to then is in this message or the ones before. */
  readonly clock: number
  /** Where the chain stands after this message. */
  readonly head: Head
  readonly facts: readonly NumberedFact[]
  /** Where the chain stood before `facts`; undefined: this is a page of a snapshot. */
  readonly prev?: Head | undefined
  /**
   * The first of a stream: what the reader has drawn for it, and the server's clock as this is said; and in how many
   * milliseconds it is to acknowledge what it applies, so that not all do at once.
   */
  readonly hello?:
    | { readonly nonce: string; readonly now: number; readonly within?: number }
    | undefined
  readonly page?: { readonly number: number; readonly of: number } | undefined
}

/** What the feed's keys are found by: SubjectPublicKeyInfo, DER. */
export type FeedKeyLookup = (keyId: string) => Promise<Buffer | undefined>

export function claimsOfMessage(message: FeedMessage): Record<string, unknown> {
  const { head, prev, facts } = message
  return {
    ...message,
    head: [head.number, head.hash],
    ...(prev !== undefined && { prev: [prev.number, prev.hash] }),
    facts: facts.map(({ number, kind, id, notBefore, endsAt }) => [
      ...[number, kind, id, notBefore, endsAt],
    ]),
  }
}

/**
 * Verifies one message of this issuer. Throws `unauthenticated`: `feed-key`, `feed-signature`, `feed-malformed`,
 * `feed-issuer`, and as `readCompact`; and what the lookup throws.
 */
export async function readFeedMessage(
  text: string,
  { issuer, keyOf }: { readonly issuer: string; readonly keyOf: FeedKeyLookup },
): Promise<FeedMessage> {
  const parsed = readCompact(text, new Set([feedType]))
  const spki = parsed.keyId === undefined ? undefined : await keyOf(parsed.keyId)
  const key = spki && publicKeyOf(spki)
  if (key === undefined) return refuse('feed-key', 'the feed has no key of this id')
  if (!(await verifySignature(text, parsed, key))) {
    refuse('feed-signature', 'the signature of the feed is wrong')
  }
  if (parsed.claims['iss'] !== issuer) refuse('feed-issuer', 'the feed is of another issuer')
  return messageOf(parsed.claims)
}

function messageOf(claims: Readonly<Record<string, unknown>>): FeedMessage {
  const { prev, hello, page, facts } = claims
  if (!Array.isArray(facts)) return malformed()
  return {
    iss: text(claims['iss']),
    log: text(claims['log']),
    run: text(claims['run']),
    clock: amount(claims['clock']),
    head: headOf(claims['head']),
    facts: facts.map(factOf),
    ...(prev !== undefined && { prev: headOf(prev) }),
    ...(hello !== undefined && { hello: helloOf(object(hello)) }),
    ...(page !== undefined && { page: pageOf(object(page)) }),
  }
}

function helloOf({ nonce, now, within }: Readonly<Record<string, unknown>>): FeedMessage['hello'] {
  const time = within === undefined ? {} : { within: amount(within) }
  return { nonce: text(nonce), now: amount(now), ...time }
}

function pageOf({ number, of }: Readonly<Record<string, unknown>>): FeedMessage['page'] {
  return { number: amount(number), of: amount(of) }
}

function headOf(value: unknown): Head {
  if (!Array.isArray(value) || value.length !== 2) return malformed()
  return { number: amount(value[0]), hash: text(value[1]) }
}

const kinds: ReadonlySet<unknown> = new Set(factKinds)

function factOf(value: unknown): NumberedFact {
  if (!Array.isArray(value) || value.length !== 5 || !kinds.has(value[1])) return malformed()
  const [number, kind, id, notBefore, endsAt] = value as readonly unknown[]
  return {
    number: amount(number),
    kind: kind as FactKind,
    id: text(id),
    notBefore: amount(notBefore),
    endsAt: amount(endsAt),
  }
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : malformed()
}

function amount(value: unknown): number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : malformed()
}

function object(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null
    ? (value as Record<string, unknown>)
    : malformed()
}

function malformed(): never {
  return refuse('feed-malformed', 'the feed says something that cannot be read')
}

function refuse(reason: string, message: string): never {
  throw new CountersignError('unauthenticated', message, { reason })
}
