import { expect, test } from 'vitest'
import {
  type ForeignClientsFile,
  readForeignClients,
} from '../../../../server/oauth/foreign-clients.ts'
import { recheck, runRecheck } from '../../../../server/oauth/recheck.ts'
import { SpiffeId } from '../../../../src/spiffe-id/spiffe-id.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'
import { resourceOf } from '../../../support/oauth.ts'
import { idOf, trustDomain } from '../entry/samples.ts'
import { orders, permitAll, startRecheck, stock, web } from './recheck-world.ts'

test('what the policies permit as before stays; what they permit no longer is revoked, each on record', async () => {
  const { deps, facts, add, token, use, audited } = await startRecheck(permitAll)
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

test('a token that was exchanged is asked about as it was then, and is revoked by itself', async () => {
  const { deps, facts, add, token, use } = await startRecheck(permitAll)
  const hop = { txn: 't-a', subject: web, from: { audience: 'https://orders', depth: 0 } }
  const next = { txn: 't-a', subject: web, from: { audience: 'https://stock', depth: 1 } }
  await add(
    token('a'),
    token('b', {
      ...{ ...hop, parent: 'a', clientId: orders, actors: [orders], audience: 'https://stock' },
    }),
    token('c', { ...next, parent: 'b', clientId: stock, actors: [stock, orders] }),
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
  expect(await facts()).toEqual(['token b'])
})

test('what goes with the first token of its transaction gets no fact of its own', async () => {
  const { deps, facts, add, token, use, audited } = await startRecheck(permitAll)
  const hop = {
    ...{ parent: 'a', subject: web, from: { audience: 'https://orders', depth: 0 } },
    ...{ clientId: orders, actors: [orders], audience: 'https://stock' },
  }
  await add(token('a'), token('b', { ...hop, txn: 't-a' }), token('c', { ...hop, txn: 't-other' }))
  await use('')
  expect(await recheck(deps)).toBe(2)
  expect(await facts()).toEqual(['token c', 'transaction t-a'])
  expect(audited.map(({ jti }) => jti)).toEqual(['a', 'c'])
})

test('a time that a policy looks at is that of the token, and one of an address that nobody knows is left alone', async () => {
  const { deps, facts, add, token, clock } = await startRecheck(
    `@id("then") permit (principal is Workload, action in Action::"getToken", resource)
     when { context.time < datetime("${new Date(new FakeClock().now().getTime() + 60_000).toISOString()}") };`,
  )
  await add(token('a'))
  await clock.advance(120_000)
  await add(token('b'), token('c', { address: '' }))
  expect(await recheck(deps)).toBe(1)
  expect(await facts()).toEqual(['transaction t-b'])
})

test('of a legacy caller’s token the minute is looked at for which it was given, and of a resource that is gone its name', async () => {
  const { deps, facts, add, token } = await startRecheck(
    `@id("short") permit (principal is Workload, action in Action::"getToken", resource)
     when { context.ttl <= 60 };
     @id("gone") permit (principal is Workload, action in Action::"getToken", resource == Api::"https://gone");`,
  )
  const legacy = { auth: 'legacy_key' }
  const resources = new Map([
    ...deps.resources,
    ['https://brief', resourceOf('https://brief', { maxTtlSeconds: 30 })],
  ])
  await add(
    token('a', legacy),
    token('b'),
    token('c', { audience: 'https://gone' }),
    token('d', { ...legacy, audience: 'https://brief' }),
  )
  expect(await recheck({ ...deps, resources })).toBe(1)
  expect(await facts()).toEqual(['transaction t-b'])
})

test('a token is revoked that an entry of its client ends before, since its end was moved forward', async () => {
  const { deps, facts, add, token, entries, clock, audited } = await startRecheck(permitAll)
  const inMs = (ms: number) => new Date(clock.now().getTime() + ms)
  await add(token('a'), token('b', { expiresAt: inMs(60_000) }), token('c', { clientId: orders }))
  const [ofWeb] = entries
  if (ofWeb === undefined) throw new Error('no entry')
  entries[0] = { ...ofWeb, expiresAt: inMs(300_000) }
  expect(await recheck(deps)).toBe(0)
  entries[0] = { ...ofWeb, expiresAt: inMs(60_000) }
  expect(await recheck(deps)).toBe(1)
  expect(await facts()).toEqual(['transaction t-a'])
  expect(audited).toMatchObject([{ jti: 'a', reason: 'entry-ends' }])
})

test('before any policy was in force, and of an entry that is gone, nothing is decided', async () => {
  const { deps, add, token, state } = await startRecheck('')
  await add(token('a', { clientId: idOf('/gone') }))
  expect(await recheck(deps)).toBe(0)
  await add(token('b'))
  state.revision = ''
  expect(await recheck(deps)).toBe(0)
  state.revision = 'r'
  expect(await recheck(deps)).toBe(1)
})

test('all of a thousand are looked at, at once, and for what was under way two and twelve seconds later', async () => {
  const { deps, facts, add, token, use, clock } = await startRecheck(permitAll)
  await add(...Array.from({ length: 1001 }, (_, n) => token(`a${n}`)))
  const stopping = new AbortController()
  const running = runRecheck(deps, stopping.signal)
  await use('')
  await expect.poll(async () => (await facts()).length).toBe(1001)
  await add(token('late'))
  await clock.advance(2000)
  await expect.poll(async () => (await facts()).length).toBe(1002)
  // As long as an answer may take, while the trail is slow.
  await add(token('slow'))
  await clock.advance(10_000)
  await expect.poll(async () => (await facts()).length).toBe(1003)
  await use(permitAll)
  await add(token('later'))
  await use('')
  await expect.poll(async () => (await facts()).length).toBe(1004)
  stopping.abort(new DOMException('stopped', 'AbortError'))
  await running.catch(() => {})
})

test('what is not in the store yet, as that takes nothing, is decided anew too, and revoked once with what is there', async () => {
  const { deps, facts, add, token, use } = await startRecheck(permitAll)
  deps.issued.note(token('waits'))
  deps.issued.note(token('of-others', { clientId: orders, subject: orders, entryId: 'eers' }))
  await add(token('written'), token('waits'))
  await use('')
  expect(await recheck(deps, web)).toBe(2)
  expect(await facts()).toEqual(['transaction t-waits', 'transaction t-written'])
  expect(await recheck(deps)).toBe(1)
})

test('what a rule on tokens of another issuer has given is revoked once that rule is gone, with all that was bought with it', async () => {
  const { deps, facts, add, token, audited } = await startRecheck(permitAll)
  const rules = new Set(['stays', 'goes'])
  const listeners = new Set<() => void>()
  const federated = {
    gives: (id: string) => rules.has(id),
    onChange(listener: () => void) {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
  }
  const by = (rule: string) => ({ auth: 'oidc', rule })
  await add(
    ...[token('a', by('stays')), token('b', by('goes')), token('c')],
    token('d', { txn: 't-b', parent: 'b', clientId: orders, actors: [orders] }),
  )
  const stopping = new AbortController()
  const running = runRecheck({ ...deps, federated }, stopping.signal)
  await expect.poll(() => listeners.size).toBe(1)
  rules.delete('goes')
  for (const listener of listeners) listener()
  await expect.poll(facts).toEqual(['transaction t-b'])
  expect(audited[0]).toMatchObject({ jti: 'b', reason: 'policy-rule' })
  stopping.abort()
  await running.catch(() => {})
  expect(listeners.size).toBe(0)
  // Where no issuer is listed any more, no rule is there.
  expect(await recheck(deps)).toBe(1)
  expect(await facts()).toEqual(['transaction t-a', 'transaction t-b'])
})

test('what a workload of another trust domain holds is revoked once it is listed no more, and decided anew where other things are said of it', async () => {
  const { deps, facts, add, token, entries, otherClients, audited } = await startRecheck(
    '@id("team") permit (principal is Workload, action, resource) when { principal.owner != "others" };',
  )
  const [stays, goes, moves, gone] = ['stays', 'goes', 'moves', 'gone'].map((name) =>
    SpiffeId.parse(`spiffe://partner.example/${name}`),
  ) as [SpiffeId, SpiffeId, SpiffeId, SpiffeId]
  const list = (...said: ForeignClientsFile) =>
    entries.splice(3, 3, ...readForeignClients(said, trustDomain).values())
  const said = (spiffe_id: SpiffeId, owner = 'partner') => ({ spiffe_id, owner })
  list(said(stays), said(goes), said(moves))
  const by = (clientId: SpiffeId) => ({ clientId, subject: clientId })
  const passedOn = { parent: 'x', clientId: goes, actors: [goes] }
  await add(
    ...[token('a', by(stays)), token('b', by(goes)), token('c', by(moves)), token('d')],
    ...[token('e', passedOn), token('f', { ...by(goes), address: '' }), token('g', by(gone))],
  )
  const stopping = new AbortController()
  const running = runRecheck(deps, stopping.signal)
  // The list was changed while the server was down.
  await expect.poll(facts).toEqual(['transaction t-g'])
  list(said(stays), said(moves, 'others'))
  otherClients()
  const revoked = ['token e', ...['b', 'c', 'f', 'g'].map((jti) => `transaction t-${jti}`)]
  await expect.poll(facts).toEqual(revoked)
  expect(audited.map(({ jti, reason }) => `${jti} ${reason}`).sort()).toEqual([
    ...['b client-unknown', 'c policy-none', 'e client-unknown', 'f client-unknown'],
    'g client-unknown',
  ])
  stopping.abort()
  await running.catch(() => {})
})
