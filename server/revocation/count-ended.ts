import type { Kysely } from 'kysely'
import { type Fact, type FactKind, isEpoch } from '../../src/revocation/fact.ts'
import { trustDomainOf } from '../../src/revocation/state.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import { Slice } from '../../src/runtime/slice.ts'
import { type IssuedToken, issuedTokens } from '../store/issued-tokens.ts'
import type { Schema } from '../store/schema.ts'
import { claimsOfIssued } from './good-tokens.ts'
import type { Revocations } from './revocations.ts'
import type { Cause } from './write-facts.ts'

export interface EndedTokens {
  readonly tokens: number
  /** False: there was no time to go through all. */
  readonly isAll: boolean
  /** Whether one of those that were gone through has the `jti`, or the transaction, that was revoked. */
  readonly isListed: boolean
}

interface CountDeps {
  readonly db: Kysely<Schema>
  readonly revocations: Pick<Revocations, 'judge' | 'find'>
  readonly clock: Clock
}

/** Whoever has revoked something waits for it. */
const maxMs = 2000

/**
 * What is to be revoked now; the result counts afterwards, so that nothing is revoked later for it: how many tokens of those
 * that are listed it has ended, with what was exchanged for them. What was dead before, by whatever fact, is none of them.
 */
export function endedBy(
  causes: readonly Cause[],
  { db, revocations, clock }: CountDeps,
): () => Promise<EndedTokens> {
  // What was exchanged goes with these alone; what else ends it names itself.
  const follows = causes.some(({ kind }) => kind === 'token' || kind === 'key')
  const before = new Map(
    causes.map(({ kind, id }) => [`${kind} ${id}`, revocations.find(kind, id)]),
  )
  const isEnded = (token: IssuedToken): boolean => {
    const fact = revocations.judge(claimsOfIssued(token), token.keyId)
    const key = fact && `${fact.kind} ${fact.id}`
    return key !== undefined && before.has(key) && !wasEnded(token)
  }
  /** By what was known before, which need not be what was said of the same. */
  const wasEnded = (token: IssuedToken): boolean => {
    for (const [kind, id] of namedBy(token)) {
      const key = `${kind} ${id}`
      if (isHit(token, before.has(key) ? before.get(key) : revocations.find(kind, id))) return true
    }
    return false
  }
  const isNewlyRevoked = (keyId: string | undefined): boolean =>
    keyId !== undefined && before.has(`key ${keyId}`) && !before.get(`key ${keyId}`)
  const isChild = ({ parent, from }: IssuedToken, ended: ReadonlySet<string>): boolean =>
    parent !== undefined && (ended.has(parent) || isNewlyRevoked(from?.keyId))
  return async () => {
    const slice = new Slice(clock)
    const endMs = clock.monotonicMs() + maxMs
    const ended = new Set<string>()
    let isListed = false
    for await (const page of issuedTokens(db, {}, { now: clock.now() })) {
      for (const token of page) {
        isListed ||= before.has(`token ${token.jti}`) || before.has(`transaction ${token.txn}`)
        if ((follows && isChild(token, ended)) || isEnded(token)) ended.add(token.jti)
      }
      if (clock.monotonicMs() >= endMs) {
        return { tokens: ended.size, isAll: false, isListed }
      }
      if (slice.isOver) await slice.rest()
    }
    return { tokens: ended.size, isAll: true, isListed }
  }
}

/** Of an epoch: whatever was issued up to then. */
function isHit({ issuedAt }: IssuedToken, fact: Fact | undefined): boolean {
  if (fact === undefined) return false
  return !isEpoch(fact.kind) || issuedAt.getTime() / 1000 <= fact.notBefore
}

/** All that a fact could name to end this token. */
function* namedBy(token: IssuedToken): Generator<readonly [FactKind, string]> {
  const { jti, txn, keyId, entryId, owner, audience, subject, clientId, actors } = token
  yield* [['token', jti] as const, ['transaction', txn] as const, ['entry', entryId] as const]
  yield* [['audience', audience] as const, ['integration', audience] as const]
  yield ['owner', owner]
  if (keyId !== undefined) yield ['key', keyId]
  for (const id of new Set([subject, clientId, ...actors])) {
    yield* [['spiffe-id', id] as const, ['node', id] as const]
    const trustDomain = trustDomainOf(id)
    if (trustDomain !== undefined) yield ['trust-domain', trustDomain]
  }
}
