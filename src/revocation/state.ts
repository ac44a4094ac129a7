import type { TokenClaims } from '../jwt/compact.ts'
import { type Fact, type FactKind, factKinds } from './fact.ts'
import { FactIndex } from './fact-index.ts'

type FactsByKind = Readonly<Record<FactKind, FactIndex>>

/** The facts that have not ended, by what they are about. */
export class RevocationState {
  readonly #byKind: FactsByKind
  /** By the minute in which they end. */
  readonly #ending = new Map<number, Fact[]>()
  #size = 0
  /** The last minute whose facts were forgotten. */
  #forgotten = Number.NEGATIVE_INFINITY

  constructor() {
    const kinds = factKinds.map((kind) => [kind, new FactIndex()])
    this.#byKind = Object.fromEntries(kinds)
  }

  /** How many there are. */
  get size(): number {
    return this.#size
  }

  /** Takes a fact on, in any order and any number of times: of two about the same the later of each instant counts. */
  apply({ kind, id, notBefore, endsAt }: Fact): void {
    const facts = this.#byKind[kind]
    const before = facts.get(id)
    if (before === undefined) this.#size += 1
    else if (before.notBefore >= notBefore && before.endsAt >= endsAt) return
    const fact: Fact = {
      kind,
      id,
      notBefore: Math.max(notBefore, before?.notBefore ?? 0),
      endsAt: Math.max(endsAt, before?.endsAt ?? 0),
    }
    facts.set(fact)
    const minute = minuteOf(fact.endsAt)
    const ending = this.#ending.get(minute)
    if (ending === undefined) this.#ending.set(minute, [fact])
    else ending.push(fact)
  }

  /** All of them, in no order. */
  *facts(): Generator<Fact> {
    for (const facts of Object.values(this.#byKind)) yield* facts.values()
  }

  find(kind: FactKind, id: string): Fact | undefined {
    return this.#byKind[kind].get(id)
  }

  /**
   * The fact that ends a token of these claims, in a time that does not grow with the number of facts; undefined: it
   * lives. `keyId` is that of the key which has signed it. A token that does not say when it was issued is older than
   * any epoch. The actors of `act` are looked at, each of them, since a fact is the status of the token, by its issuer.
   */
  judge(claims: TokenClaims, keyId?: string): Fact | undefined {
    if (this.#size === 0) return undefined
    const of = this.#byKind
    const issuedAt = typeof claims.iat === 'number' ? claims.iat : Number.NEGATIVE_INFINITY
    const { sub, client_id: client } = claims
    return (
      hit(of.token, claims['jti'], anyTime) ??
      hit(of.transaction, claims['txn'], anyTime) ??
      hit(of.key, keyId, issuedAt) ??
      hitAny(of.entry, claims['entry_id'], issuedAt) ??
      hit(of.owner, claims['owner'], issuedAt) ??
      hitAny(of.audience, claims.aud, issuedAt) ??
      hitAny(of.integration, claims.aud, issuedAt) ??
      hitWho(of, sub, issuedAt) ??
      (client === sub ? undefined : hitWho(of, client, issuedAt)) ??
      hitActors(of, claims['act'], client, issuedAt)
    )
  }

  /** Whether something is forgotten that has not ended by this clock: it has been set back since. */
  lacks(now: Date): boolean {
    return minuteOf(now.getTime() / 1000) <= this.#forgotten
  }

  /** Forgets what has ended. False where it lacked something; from then on the clock is taken for right. */
  drop(now: Date): boolean {
    const isWhole = !this.lacks(now)
    if (!isWhole) this.#forgotten = Number.NEGATIVE_INFINITY
    for (const [minute, facts] of this.#ending) {
      if (minute >= minuteOf(now.getTime() / 1000)) continue
      this.#ending.delete(minute)
      this.#forgotten = Math.max(this.#forgotten, minute)
      for (const fact of facts) {
        // One that was prolonged since is another value.
        if (this.#byKind[fact.kind].get(fact.id) !== fact) continue
        this.#byKind[fact.kind].delete(fact.id)
        this.#size -= 1
      }
    }
    return isWhole
  }
}

/** Of what is no epoch: dead whenever it was issued. */
const anyTime = Number.NEGATIVE_INFINITY

function hit(facts: FactIndex, id: unknown, issuedAt: number): Fact | undefined {
  if (facts.size === 0 || typeof id !== 'string') return undefined
  const fact = facts.get(id)
  return fact !== undefined && issuedAt <= fact.notBefore ? fact : undefined
}

function hitAny(facts: FactIndex, ids: unknown, issuedAt: number): Fact | undefined {
  if (!Array.isArray(ids)) return hit(facts, ids, issuedAt)
  for (const id of ids) {
    const fact = hit(facts, id, issuedAt)
    if (fact !== undefined) return fact
  }
  return undefined
}

function hitWho(of: FactsByKind, id: unknown, issuedAt: number): Fact | undefined {
  return (
    hit(of['spiffe-id'], id, issuedAt) ??
    hit(of.node, id, issuedAt) ??
    // To cut the name out costs more than to look for it.
    (of['trust-domain'].size === 0
      ? undefined
      : hit(of['trust-domain'], trustDomainOf(id), issuedAt))
  )
}

/** The outermost of them is the client, who was looked at. */
function hitActors(
  of: FactsByKind,
  act: unknown,
  client: unknown,
  issuedAt: number,
): Fact | undefined {
  // How deep it can be nested, the reader of the token has bounded.
  for (let actor = act; typeof actor === 'object' && actor !== null; ) {
    const { sub, act: before } = actor as { readonly sub?: unknown; readonly act?: unknown }
    const fact = sub === client ? undefined : hitWho(of, sub, issuedAt)
    if (fact !== undefined) return fact
    actor = before
  }
  return undefined
}

const scheme = 'spiffe://'

/** Of a SPIFFE ID; undefined: it is none. */
export function trustDomainOf(id: unknown): string | undefined {
  if (typeof id !== 'string' || !id.startsWith(scheme)) return undefined
  const end = id.indexOf('/', scheme.length)
  return id.slice(scheme.length, end === -1 ? undefined : end)
}

function minuteOf(seconds: number): number {
  return Math.floor(seconds / 60)
}
