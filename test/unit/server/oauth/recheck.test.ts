import { afterEach, expect, test } from 'vitest'
import { type RecheckDeps, recheck, runRecheck } from '../../../../server/oauth/recheck.ts'
import { createRevocations } from '../../../../server/revocation/revocations.ts'
import { factWriter } from '../../../../server/revocation/write-facts.ts'
import { putAuthority } from '../../../../server/store/authorities.ts'
import { addIssuedTokens, type IssuedToken } from '../../../../server/store/issued-tokens.ts'
import { factsAfter } from '../../../../server/store/revocation-facts.ts'
import type { Store } from '../../../../server/store/store.ts'
import type { AuditEvent } from '../../../../src/audit/event.ts'
import { createPolicyEngine } from '../../../../src/policy/engine.ts'
import { readPolicySet } from '../../../../src/policy/policy-set.ts'
import { systemClock } from '../../../../src/runtime/clock.ts'
import { silentLog } from '../../../../src/runtime/log.ts'
import type { SpiffeId } from '../../../../src/spiffe-id/spiffe-id.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'
import { resourceOf } from '../../../support/oauth.ts'
import { authorityOf, entryOf, idOf } from '../entry/samples.ts'
import { tempStore } from '../store/fixture.ts'

const permitAll = '@id("all") permit (principal, action, resource);'
const web = idOf('/web')
const orders = idOf('/orders')
const stock = idOf('/stock')
const entries = [web, orders, stock].map((spiffeId) =>
  entryOf({ id: `e${spiffeId.slice(-3)}`, spiffeId, labels: { env: 'prod' } }),
)

const stores: Store[] = []
afterEach(async () => {
  for (const store of stores.splice(0)) await store[Symbol.asyncDispose]()
})

/** A server's part of it, with `text` in force, over a real store. */
async function start(text: string) {
  const clock = new FakeClock()
  const audited: AuditEvent[] = []
  const store = await tempStore({
    beforeCommit: async (events) => void audited.push(...events),
  })
  stores.push(store)
  await store.write((tx) => putAuthority(tx, authorityOf('oauth')))
  const engine = createPolicyEngine()
  const listeners = new Set<() => void>()
  const state = { revision: 'r0' }
  const use = async (policies: string) => {
    engine.load(await readPolicySet([{ name: 'a.cedar', text: policies }], systemClock))
    state.revision += '+'
    for (const listener of listeners) listener()
  }
  await use(text)
  const revocations = createRevocations({ clock, write: factWriter({ clock, svidTtlSeconds: 60 }) })
  const deps: RecheckDeps = {
    store,
    policies: {
      decide: (question, at = clock.now()) => engine.decide(question, at),
      onChange: (listener) => {
        listeners.add(listener)
        return () => listeners.delete(listener)
      },
      get revision() {
        return state.revision
      },
    },
    resources: new Map(['https://orders', 'https://stock'].map((id) => [id, resourceOf(id)])),
    entriesOf: (id: SpiffeId) => entries.filter(({ spiffeId }) => spiffeId === id),
    revocations,
    clock,
    log: silentLog,
  }
  const facts = async () => {
    const page = await factsAfter(store.db, 0, 9000)
    revocations.apply({ facts: page.facts })
    return [...new Set(page.facts.map(({ kind, id }) => `${kind} ${id}`))].sort()
  }
  const add = (...tokens: readonly IssuedToken[]) =>
    store.write((tx) => addIssuedTokens(tx, tokens))
  const token = (jti: string, more: Partial<IssuedToken> = {}): IssuedToken => ({
    ...{ jti, txn: `t-${jti}`, parent: undefined, entryId: 'eweb', owner: 'web-team' },
    ...{ subject: web, clientId: web, audience: 'https://orders', scopes: ['orders:read'] },
    ...{ auth: 'spiffe_jwt', address: '10.0.0.1:4000', actors: [], issuedAt: clock.now() },
    expiresAt: new Date(clock.now().getTime() + 300_000),
    ...more,
  })
  return { deps, facts, add, token, use, audited, clock, state }
}

test('what the policies permit as before stays; what they permit no longer is revoked, each on record', async () => {
  const { deps, facts, add, token, use, audited } = await start(permitAll)
  await add(token('a'), token('b', { scopes: ['orders:write'] }))
  expect(await recheck(deps)).toBe(0)
  expect(await facts()).toEqual([])
  await use(`${permitAll} @id("no-writes") forbid (
    principal, action in Action::"getToken", resource
  ) when { context.scopes.contains("orders:write") };`)
  expect(await recheck(deps)).toBe(1)
  expect(await facts()).toEqual(['transaction t-b'])
  expect(audited).toMatchObject([
    {
      ...{ kind: 'revocation.written', jti: 'b', spiffeId: web, reason: 'policy-forbids' },
      ...{ policies: ['no-writes'], policyRevision: 'r0++', actor: { kind: 'server' } },
    },
  ])
  // What is revoked already is not revoked again.
  expect(await recheck(deps)).toBe(0)
  expect(audited).toHaveLength(1)
})

test('a token that was exchanged is asked about as it was then, and takes along what was exchanged for it', async () => {
  const { deps, facts, add, token, use } = await start(permitAll)
  const hop = { txn: 't-a', subject: web }
  await add(
    token('a'),
    token('b', {
      ...{ ...hop, parent: 'a', clientId: orders, actors: [orders], audience: 'https://stock' },
    }),
    token('c', { ...hop, parent: 'b', clientId: stock, actors: [stock, orders] }),
    token('d', {
      ...{ ...hop, parent: 'a', clientId: orders, actors: [orders], audience: 'https://stock' },
      scopes: ['orders:write'],
    }),
  )
  const asked = `action == Action::"exchangeToken", resource) when {
    context.subject == "${web}" && context.audience == "https://orders" && context.depth == 1
    && context.actors.isEmpty() && context.scopes == ["orders:read"] };`
  await use(`${permitAll} @id("hop") forbid (principal == Workload::"${orders}", ${asked}`)
  expect(await recheck(deps)).toBe(1)
  expect(await facts()).toEqual(['token b', 'token c'])
})

test('a time that a policy looks at is that of the token, and one of an address that nobody knows is left alone', async () => {
  const { deps, facts, add, token, clock } = await start(
    `@id("then") permit (principal is Workload, action in Action::"getToken", resource)
     when { context.time < datetime("${new Date(new FakeClock().now().getTime() + 60_000).toISOString()}") };`,
  )
  await add(token('a'))
  await clock.advance(120_000)
  await add(token('b'), token('c', { address: '' }))
  expect(await recheck(deps)).toBe(1)
  expect(await facts()).toEqual(['transaction t-b'])
})

test('before any policy was in force, and of an entry that is gone, nothing is decided', async () => {
  const { deps, add, token, state } = await start('')
  await add(token('a', { clientId: idOf('/gone') }))
  expect(await recheck(deps)).toBe(0)
  await add(token('b'))
  state.revision = ''
  expect(await recheck(deps)).toBe(0)
  state.revision = 'r'
  expect(await recheck(deps)).toBe(1)
})

test('all of a thousand are looked at, at once and for what was under way two seconds later', async () => {
  const { deps, facts, add, token, use, clock } = await start(permitAll)
  await add(...Array.from({ length: 1001 }, (_, n) => token(`a${n}`)))
  const stopping = new AbortController()
  const running = runRecheck(deps, stopping.signal)
  await use('')
  await expect.poll(async () => (await facts()).length).toBe(1001)
  await add(token('late'))
  await clock.advance(2000)
  await expect.poll(async () => (await facts()).length).toBe(1002)
  await use(permitAll)
  await add(token('later'))
  await use('')
  await expect.poll(async () => (await facts()).length).toBe(1003)
  stopping.abort(new DOMException('stopped', 'AbortError'))
  await running.catch(() => {})
})
