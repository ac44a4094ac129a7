import type { Revocations } from 'countersign/resource-server'
import type { FactKind } from '../../../src/revocation/fact.ts'
import { RevocationState } from '../../../src/revocation/state.ts'

/** What can be revoked of one token: claims that each kind of fact finds something in. */
export const revocable: Readonly<Record<string, unknown>> = {
  ...{ jti: 'j1', txn: 't1', entry_id: 'e1', owner: 'team' },
  act: { sub: 'spiffe://here.test/middle', act: { sub: 'spiffe://there.test/first' } },
}

const named: Readonly<Record<FactKind, string>> = {
  ...{ token: 'j1', transaction: 't1', entry: 'e1', owner: 'team', key: 'one' },
  ...{ audience: 'https://orders.example.org', integration: 'https://orders.example.org' },
  ...{ 'spiffe-id': 'spiffe://there.test/first', node: 'spiffe://here.test/client' },
  'trust-domain': 'there.test',
}

/** What a test knows to be revoked of a token with these claims, for `https://orders.example.org` and by the key `one`. */
export interface KnownFacts extends Revocations {
  isFresh: boolean
  /** How many are told of new facts. */
  readonly listening: number
  /** How many verdicts were asked for. */
  readonly asked: number
  revoke(kind: FactKind): void
  forget(): void
}

export function knownFacts(): KnownFacts {
  let facts = new RevocationState()
  let asked = 0
  const listeners = new Set<() => void>()
  const known: KnownFacts = {
    isFresh: true,
    fresh: () => known.isFresh,
    get listening() {
      return listeners.size
    },
    get asked() {
      return asked
    },
    judge(claims, keyId) {
      asked += 1
      return facts.judge(claims, keyId)
    },
    onFacts(listener) {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
    revoke(kind) {
      const end = Number.MAX_SAFE_INTEGER
      facts.apply({ kind, id: named[kind], notBefore: end, endsAt: end })
      for (const tell of [...listeners]) tell()
    },
    forget() {
      facts = new RevocationState()
    },
  }
  return known
}
