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
  revoke(kind: FactKind): void
  forget(): void
}

export function knownFacts(): KnownFacts {
  let facts = new RevocationState()
  const known: KnownFacts = {
    isFresh: true,
    fresh: () => known.isFresh,
    judge: (claims, keyId) => facts.judge(claims, keyId),
    revoke(kind) {
      const end = Number.MAX_SAFE_INTEGER
      facts.apply({ kind, id: named[kind], notBefore: end, endsAt: end })
    },
    forget() {
      facts = new RevocationState()
    },
  }
  return known
}
