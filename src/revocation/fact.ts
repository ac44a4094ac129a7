import { hash } from 'node:crypto'

/**
 * What may be revoked. `token` is one (by its `jti`): what was exchanged for it gets facts of its own. `transaction` is a
 * token and all that was bought with it (by their `txn`); all others are epochs: they end what was issued up to an
 * instant, and nothing later.
 */
export const factKinds = [
  'token',
  'transaction',
  'spiffe-id',
  'entry',
  'owner',
  'audience',
  'integration',
  'key',
  'trust-domain',
  'node',
] as const

export type FactKind = (typeof factKinds)[number]

/** One revocation. It never is taken back; it ends when whatever it can hit has ended by itself. */
export interface Fact {
  readonly kind: FactKind
  readonly id: string
  /** Of an epoch: dead is what was issued in this second or before, in seconds since 1970. Else 0. */
  readonly notBefore: number
  /** Seconds since 1970. */
  readonly endsAt: number
}

/** A fact at its place in the log: by its number in the change log, above that of the fact before. */
export interface NumberedFact extends Fact {
  readonly number: number
}

/** How far somebody has come: the number of the last fact, and the hash of all up to it. */
export interface Head {
  readonly number: number
  /** SHA-256, base64url; empty before the first fact. */
  readonly hash: string
}

export const emptyHead: Head = { number: 0, hash: '' }

export function isEpoch(kind: FactKind): boolean {
  return kind !== 'token' && kind !== 'transaction'
}

/** Chains a fact to all before it, so that none can be left out, changed or moved unnoticed. */
export function headAfter(head: Head, fact: NumberedFact): Head {
  const { number, kind, id, notBefore, endsAt } = fact
  const text = JSON.stringify([head.hash, number, kind, id, notBefore, endsAt])
  return { number, hash: hash('sha256', text, 'base64url') }
}
