import { createIssuedTokens, type IssuedTokens } from '../../../../server/oauth/issued-tokens.ts'
import type { RecheckDeps } from '../../../../server/oauth/recheck.ts'
import { createRevocations } from '../../../../server/revocation/revocations.ts'
import { factWriter } from '../../../../server/revocation/write-facts.ts'
import { putAuthority } from '../../../../server/store/authorities.ts'
import type { IssuedToken } from '../../../../server/store/issued-tokens.ts'
import { factsAfter } from '../../../../server/store/revocation-facts.ts'
import type { Store } from '../../../../server/store/store.ts'
import type { AuditEvent } from '../../../../src/audit/event.ts'
import type { Entry } from '../../../../src/entry/entry.ts'
import { createPolicyEngine } from '../../../../src/policy/engine.ts'
import { readPolicySet } from '../../../../src/policy/policy-set.ts'
import type { PolicyQuestion } from '../../../../src/policy/question.ts'
import { systemClock } from '../../../../src/runtime/clock.ts'
import { createListeners } from '../../../../src/runtime/listeners.ts'
import { silentLog } from '../../../../src/runtime/log.ts'
import type { SpiffeId } from '../../../../src/spiffe-id/spiffe-id.ts'
import { TrustDomain } from '../../../../src/spiffe-id/spiffe-id.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'
import { resourceOf } from '../../../support/oauth.ts'
import { authorityOf, entryOf, idOf, trustDomain } from '../entry/samples.ts'
import { addTokens, tempStore } from '../store/fixture.ts'

export const permitAll: string = '@id("all") permit (principal, action, resource);'
export const web: SpiffeId = idOf('/web')
export const orders: SpiffeId = idOf('/orders')
export const stock: SpiffeId = idOf('/stock')
const entriesAtFirst = [web, orders, stock].map((spiffeId) =>
  entryOf({ id: `e${spiffeId.slice(-3)}`, spiffeId, labels: { env: 'prod' } }),
)

/** A server's part of what decides anew, over a real store. */
export interface RecheckWorld {
  readonly deps: RecheckDeps & { readonly store: Store; readonly issued: IssuedTokens }
  readonly clock: FakeClock
  readonly audited: readonly AuditEvent[]
  readonly state: { revision: string }
  /** By position: of web, orders and stock. */
  readonly entries: Entry[]
  /** What was revoked, each once. */
  facts(): Promise<readonly string[]>
  add(...tokens: readonly IssuedToken[]): Promise<void>
  token(jti: string, more?: Partial<IssuedToken>): IssuedToken
  /** Puts these policies in force. */
  use(policies: string): Promise<void>
  /** Says that other workloads of other trust domains are in force. */
  otherClients(): void
}

/** With `text` in force. */
export async function startRecheck(text: string): Promise<RecheckWorld> {
  const entries = [...entriesAtFirst]
  const clock = new FakeClock()
  const audited: AuditEvent[] = []
  const store = await tempStore({
    beforeCommit: async (events) => void audited.push(...events),
  })
  await store.write((tx) => putAuthority(tx, authorityOf('oauth')))
  const engine = createPolicyEngine()
  const [listeners, clients] = [createListeners(), createListeners()]
  const state = { revision: 'r0' }
  const use = async (policies: string) => {
    engine.load(await readPolicySet([{ name: 'a.cedar', text: policies }], systemClock))
    state.revision += '+'
    listeners.tell()
  }
  await use(text)
  const revocations = createRevocations({
    clock,
    write: factWriter({ trustDomain: TrustDomain.parse('example.org'), clock, proofSeconds: 60 }),
  })
  const issued = createIssuedTokens({ store, clock, log: silentLog })
  const deps = {
    ...{ store, issued },
    policies: {
      decide: (question: PolicyQuestion, at = clock.now()) => engine.decide(question, at),
      onChange: listeners.add,
      get revision() {
        return state.revision
      },
    },
    resources: new Map(['https://orders', 'https://stock'].map((id) => [id, resourceOf(id)])),
    entriesOf: (id: SpiffeId) => entries.filter(({ spiffeId }) => spiffeId === id),
    foreignClients: { onChange: clients.add },
    ...{ revocations, trustDomain, clock },
    log: silentLog,
  }
  const facts = async () => {
    const page = await factsAfter(store.db, 0, 9000)
    revocations.apply({ facts: page.facts })
    return [...new Set(page.facts.map(({ kind, id }) => `${kind} ${id}`))].sort()
  }
  const add = (...tokens: readonly IssuedToken[]) => addTokens(store, tokens)
  const token = (jti: string, more: Partial<IssuedToken> = {}): IssuedToken => ({
    ...{ jti, txn: `t-${jti}`, parent: undefined, entryId: 'eweb', owner: 'web-team' },
    ...{ subject: web, clientId: web, audience: 'https://orders', scopes: ['orders:read'] },
    ...{ auth: 'spiffe_jwt', address: '10.0.0.1:4000', actors: [], issuedAt: clock.now() },
    expiresAt: new Date(clock.now().getTime() + 300_000),
    ...more,
  })
  return {
    deps,
    facts,
    add,
    token,
    use,
    otherClients: clients.tell,
    audited,
    clock,
    state,
    entries,
  }
}
