import type { Kysely } from 'kysely'
import { type Fact, isEpoch } from '../../src/revocation/fact.ts'
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
 * that are listed it has ended, with what was exchanged for them.
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
    return key !== undefined && before.has(key) && !wasEnded(token, before.get(key))
  }
  const isNewlyRevoked = (keyId: string | undefined): boolean =>
    keyId !== undefined && before.has(`key ${keyId}`) && !before.get(`key ${keyId}`)
  const isChild = ({ parent, from }: IssuedToken, ended: ReadonlySet<string>): boolean =>
    parent !== undefined && (ended.has(parent) || isNewlyRevoked(from?.keyId))
  return async () => {
    const slice = new Slice(clock)
    const endMs = clock.monotonicMs() + maxMs
    const ended = new Set<string>()
    for await (const page of issuedTokens(db, {}, { now: clock.now() })) {
      for (const token of page) {
        if ((follows && isChild(token, ended)) || isEnded(token)) ended.add(token.jti)
      }
      if (clock.monotonicMs() >= endMs) return { tokens: ended.size, isAll: false }
      if (slice.isOver) await slice.rest()
    }
    return { tokens: ended.size, isAll: true }
  }
}

/** By what was said of the same before: of an epoch, whatever it was issued up to then. */
function wasEnded({ issuedAt }: IssuedToken, fact: Fact | undefined): boolean {
  if (fact === undefined) return false
  return !isEpoch(fact.kind) || issuedAt.getTime() / 1000 <= fact.notBefore
}
