import { hash } from 'node:crypto'
import { decodeJwt } from 'jose'
import { expect, test } from 'vitest'
import { RateLimiter } from '../../../../server/access/limits.ts'
import type { AccessTokenRequest } from '../../../../server/ca/issue-access-token.ts'
import { readForeignClients } from '../../../../server/oauth/foreign-clients.ts'
import { createIntrospectionDoor } from '../../../../server/oauth/introspection.ts'
import { createIssuedTokens } from '../../../../server/oauth/issued-tokens.ts'
import { assertionForm } from '../../../../server/oauth/spiffe-client-auth.ts'
import { createTokenDoor, type TokenDoorDeps } from '../../../../server/oauth/token-door.ts'
import { type IssuedToken, issuedTokens } from '../../../../server/store/issued-tokens.ts'
import { createPolicyEngine } from '../../../../src/policy/engine.ts'
import { readPolicy } from '../../../../src/policy/policy.ts'
import type { NumberedFact } from '../../../../src/revocation/fact.ts'
import { silentLog } from '../../../../src/runtime/log.ts'
import { SpiffeId, TrustDomain } from '../../../../src/spiffe-id/spiffe-id.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'
import { TestTrustDomain } from '../../../../src/testing/trust-domain.ts'
import { form, issuer, orders, resourceOf } from '../../../support/oauth.ts'
import { type RunningCa, startCa, temporaryFolder } from '../ca/ca-fixture.ts'
import { entryOf, idOf } from '../entry/samples.ts'
import { type Proof, permitted, refused, send, startWorld, web, wish } from './oauth-world.ts'

async function start(closing: AsyncDisposableStack, more: Partial<TokenDoorDeps> = {}) {
  const world = await startWorld(closing, more)
  const ask = (assertion: string, more: Record<string, string> = {}) =>
    send(world.server, { assertion }, { ...wish, ...more })
  return { ...world, ask }
}

async function assertionOf({ ca }: Pick<RunningCa, 'ca'>, ttlSeconds = 300): Promise<string> {
  const audit = { actor: { kind: 'server' } } as const
  return (await ca.issueJwt({ spiffeId: web, audience: [issuer], ttlSeconds, audit })).token
}

test('what cannot be put on record is not issued, and not refused with a reason either', async () => {
  await using closing = new AsyncDisposableStack()
  const world = await start(closing)
  const assertion = await assertionOf(world)
  expect((await world.ask(assertion)).status).toBe(200)
  await world.trail[Symbol.asyncDispose]()
  for (const said of [{}, { scope: 'unknown' }]) {
    const answer = await world.ask(assertion, said)
    expect(answer).toMatchObject({ status: 503, error: 'temporarily_unavailable' })
    expect(answer.headers['retry-after']).toBe('1')
    expect(answer).not.toHaveProperty('access_token')
  }
})

test('a token ends with the assertion behind it, and an assertion that is over buys none', async () => {
  await using closing = new AsyncDisposableStack()
  const world = await start(closing)
  const assertion = await assertionOf(world, 100)
  await world.clock.advance(40_000)
  const { access_token = '' } = await world.ask(assertion)
  expect(decodeJwt(access_token).exp).toBe(decodeJwt(assertion).exp)
  // Within the leeway that a clock is given, for which a token could not last.
  await world.clock.advance(70_000)
  expect(await world.ask(assertion)).toMatchObject({ status: 401, error: 'invalid_client' })
  expect(world.records().at(-1)).toMatchObject({ kind: 'token.denied', reason: 'svid-ending' })
  await world.clock.advance(60_000)
  expect((await world.ask(assertion)).status).toBe(401)
  expect(world.records().at(-1)).toMatchObject({ reason: 'token-expired' })
})

test('a token ends with the first of the entries behind it to expire, though its SVID and its resource would let it live on', async () => {
  await using closing = new AsyncDisposableStack()
  let ends: readonly (number | undefined)[] = []
  const world = await startWorld(closing, {
    entriesOf: (spiffeId) =>
      ends.map((ms, at) => {
        const expiresAt = ms === undefined ? undefined : new Date(world.clock.now().getTime() + ms)
        return entryOf({ id: `e${at}`, spiffeId, expiresAt })
      }),
  })
  const assertion = await assertionOf(world)
  for (const [life, ...entries] of [
    [300, undefined],
    [300, 301_000],
    [20, 20_000],
    [20, undefined, 60_000, 20_000],
  ] as const) {
    ends = entries
    expect((await send(world.server, { assertion }, wish))['expires_in']).toBe(life)
  }
})

test('T33 the key of a trust domain that is federated with speaks for none of ours, and its own are no clients', async () => {
  await using closing = new AsyncDisposableStack()
  const clock = new FakeClock()
  const other = await TestTrustDomain.create('other.example', clock)
  const world = await start(closing, {
    bundles: { bundleOf: (name) => (name === other.name ? other.bundle : own(name)) },
    entriesOf: (id) => (id === web ? [entryOf({ id: 'web', spiffeId: web })] : []),
  })
  function own(name: Parameters<RunningCa['bundles']['bundleOf']>[0]) {
    return world.bundles.bundleOf(name)
  }
  for (const [id, reason] of [
    [web, 'token-key'],
    [SpiffeId.parse('spiffe://other.example/web'), 'client-unknown'],
  ] as const) {
    const assertion = await other.issueJwt(id, issuer)
    expect(await world.ask(assertion)).toMatchObject({ status: 401, error: 'invalid_client' })
    expect(world.records().at(-1)).toMatchObject({ kind: 'token.denied', reason })
  }
})

test('a workload of another trust domain is a client where it is named, by its own domain’s key alone, until that is gone', async () => {
  await using closing = new AsyncDisposableStack()
  const clock = new FakeClock()
  const other = await TestTrustDomain.create('other.example', clock)
  const id = SpiffeId.parse('spiffe://other.example/web')
  const clients = readForeignClients(
    [{ spiffe_id: id, owner: 'partner' }],
    TrustDomain.parse('example.org'),
  )
  let federated = true
  const world = await start(closing, {
    bundles: {
      bundleOf: (name) =>
        name === other.name ? (federated ? other.bundle : undefined) : world.bundles.bundleOf(name),
    },
    entriesOf: (asking) => [clients.get(asking) ?? []].flat(),
  })
  const { access_token = '', status } = await world.ask(await other.issueJwt(id, issuer))
  expect(status).toBe(200)
  expect(decodeJwt(access_token)).toMatchObject({ sub: id, client_id: id, owner: 'partner' })
  const x509 = { chain: (await other.issueX509(id)).chain.map((der) => Buffer.from(der)), id }
  const bound = await send(world.server, x509, wish)
  expect(decodeJwt(bound.access_token ?? '')['cnf']).toEqual({ 'x5t#S256': expect.any(String) })
  const stranger = await other.issueJwt(SpiffeId.parse('spiffe://other.example/db'), issuer)
  expect((await world.ask(stranger)).status).toBe(401)
  const third = await TestTrustDomain.create('third.example', clock)
  expect((await world.ask(await third.issueJwt(id, issuer))).status).toBe(401)
  federated = false
  expect((await world.ask(await other.issueJwt(id, issuer))).status).toBe(401)
  expect(world.records().at(-1)).toMatchObject({ reason: 'token-trust-domain' })
})

test('where several entries carry the ID, each has to be permitted, and too many are nobody', async () => {
  await using closing = new AsyncDisposableStack()
  const entries = ['web-team', 'other-team'].map((owner) =>
    entryOf({ id: owner, spiffeId: web, owner }),
  )
  const decide: TokenDoorDeps['policies']['decide'] = (question) =>
    question.action === 'issueToken' && question.entry.owner === 'web-team' ? permitted : refused
  let count = 1
  const world = await start(closing, {
    policies: { decide, revision: 'r' },
    entriesOf: () => Array.from({ length: count }, (_, i) => entries[i === 0 ? 0 : 1] ?? []).flat(),
  })
  const assertion = await assertionOf(world)
  expect((await world.ask(assertion)).status).toBe(200)
  for (const [more, status] of [
    [2, 400],
    [17, 401],
  ] as const) {
    count = more
    expect((await world.ask(assertion)).status).toBe(status)
  }
})

test('RFC 6749 §5.2 and RFC 8707 §2 who may have something there, and not this, has asked for a wrong scope, else for a wrong target', async () => {
  await using closing = new AsyncDisposableStack()
  const engine = createPolicyEngine()
  const world = await start(closing, {
    policies: { revision: 'r', decide: (question) => engine.decide(question, new Date(0)) },
  })
  const assertion = await assertionOf(world)
  for (const [condition, error] of [
    ['["orders:write"].containsAll(context.scopes)', 'invalid_scope'],
    ['!context.scopes.contains("orders:read")', 'invalid_scope'],
    ['context.auth == "spiffe_x509"', 'invalid_target'],
  ] as const) {
    const policy = readPolicy(
      `@id("p") permit (principal, action == Action::"issueToken", resource) when { ${condition} };`,
      'test',
    )
    engine.load(new Map([['p', policy ?? expect.fail()]]))
    expect(await world.ask(assertion)).toMatchObject({ status: 400, error })
    expect(world.records().at(-1)).toMatchObject({
      ...{ kind: 'token.denied', reason: 'policy-none', scope: ['orders:read'] },
    })
  }
})

test('of a flood of strangers, or of a known client, a part is on record, and then how many were left out', async () => {
  await using closing = new AsyncDisposableStack()
  const world = await start(closing, { policies: { decide: () => refused, revision: 'r' } })
  const assertion = await assertionOf(world)
  const before = world.records().length
  for (let i = 0; i < 80; i += 1) expect((await world.ask('x')).status).toBe(401)
  expect(world.records().length - before).toBe(50)
  for (let i = 0; i < 130; i += 1) expect((await world.ask(assertion)).status).toBe(400)
  const told = world.records().slice(before + 50)
  expect(told).toHaveLength(100)
  expect(told[0]).toMatchObject({
    spiffeId: web,
    reason: 'policy-forbids',
    details: { leftOut: 30 },
  })
  expect(told[1]).not.toHaveProperty('details.leftOut')
})

test('a client, and an address, that asks too often is told when to come again, and that is not on record', async () => {
  await using closing = new AsyncDisposableStack()
  const clock = new FakeClock()
  const world = await start(closing, {
    calls: new RateLimiter({ perSecond: 1, burst: 2 }, clock),
  })
  const assertion = await assertionOf(world)
  expect((await world.ask(assertion)).status).toBe(200)
  expect((await world.ask(assertion)).status).toBe(200)
  const before = world.records().length
  const answer = await world.ask(assertion)
  expect(answer).toMatchObject({ status: 503, headers: { 'retry-after': '1' } })
  expect(world.records()).toHaveLength(before)
})

test('T12 of one address, and of one client, no more is heard, whoever asks from there and from wherever it asks', async () => {
  await using closing = new AsyncDisposableStack()
  const calls = new RateLimiter({ perSecond: 1, burst: 2 }, new FakeClock())
  const world = await startWorld(closing, { calls })
  const ask = async (path: string, host: string): Promise<number> => {
    const proof = await world.asserting(idOf(path))
    const shown = 'assertion' in proof ? assertionForm(proof.assertion) : expect.fail()
    const body = form({ ...wish, ...shown })
    const address = `${host}:4000`
    return (await world.server.answer({ body, authorization: undefined, chain: [], address }))
      .status
  }
  const ofOneAddress = ['/a', '/b', '/c'].map((path) => [path, '10.2.0.1'] as const)
  const ofOneClient = ['10.2.0.2', '10.2.0.3', '10.2.0.4'].map((host) => ['/d', host] as const)
  for (const asked of [ofOneAddress, ofOneClient]) {
    const statuses: number[] = []
    for (const [path, host] of asked) statuses.push(await ask(path, host))
    expect(statuses).toEqual([200, 200, 503])
  }
  expect(await ask('/e', '10.2.0.5')).toBe(200)
})

test('T26 whoever was revoked elsewhere is refused by what is known once all of that is read', async () => {
  await using closing = new AsyncDisposableStack()
  let read = (): void => {}
  const world = await startWorld(closing, { upToDate: async () => read() })
  const introspect = createIntrospectionDoor({ ...world.deps, ca: world.ca })
  const proof = await world.asserting(web)
  expect((await send(introspect, proof, { token: 'x' })).status).toBe(200)
  read = () => {
    const notBefore = Math.floor(world.clock.now().getTime() / 1000)
    world.revocations.apply({ kind: 'spiffe-id', id: web, notBefore, endsAt: notBefore + 3600 })
  }
  expect((await send(introspect, proof, { token: 'x' })).status).toBe(401)
  expect(world.records().at(-1)).toMatchObject({ reason: 'svid-revoked' })
})

test('a token says which entry it is for, who answers for that, and starts a transaction of its own', async () => {
  await using closing = new AsyncDisposableStack()
  const entry = entryOf({ id: 'e1', spiffeId: web, owner: 'web-team', purpose: 'reads orders' })
  const world = await start(closing, { entriesOf: () => [entry] })
  const assertion = await assertionOf(world)
  const claims = []
  for (let i = 0; i < 2; i += 1) {
    const { access_token = '' } = await world.ask(assertion)
    claims.push(decodeJwt(access_token))
  }
  expect(claims[0]).toEqual({
    ...{ iss: issuer, sub: web, client_id: web, aud: orders, scope: 'orders:read' },
    ...{ iat: expect.any(Number), exp: expect.any(Number), jti: expect.any(String) },
    ...{ txn: expect.any(String), entry_id: 'e1', owner: 'web-team', purpose: 'reads orders' },
  })
  expect(claims[1]?.['txn']).not.toBe(claims[0]?.['txn'])
  expect(world.records().at(-1)).toMatchObject({ transaction: claims[1]?.['txn'] })
})

test('of a workload of an agent the record says on which node it is, and of another none', async () => {
  await using closing = new AsyncDisposableStack()
  const agent = idOf('/spire/agent/a')
  const nodes = []
  for (const parentId of [agent, idOf('/spire/server'), idOf('/parent')]) {
    const world = await start(closing, {
      entriesOf: () => [entryOf({ id: 'e', spiffeId: web, parentId })],
    })
    await world.ask(await assertionOf(world))
    const { actor } = world.records().at(-1) as { readonly actor: { readonly node?: string } }
    nodes.push(actor.node)
  }
  expect(nodes).toEqual([agent, undefined, undefined])
})

test('RFC 8705 a resource whose tokens are bound gives none to a client without a certificate', async () => {
  await using closing = new AsyncDisposableStack()
  const resources = new Map([[orders, resourceOf(orders, { requireCnf: true })]])
  const entry = entryOf({ id: 'e1', spiffeId: web, owner: 'web-team', purpose: 'reads orders' })
  const entriesOf = () => [entry]
  const world = await start(closing, { settings: { issuer, resources }, entriesOf })
  const answer = await world.ask(await assertionOf(world))
  expect(answer).toMatchObject({ status: 400, error: 'invalid_target' })
  // A refusal names whose it is and what for, as what is issued does.
  expect(world.records().at(-1)).toMatchObject({
    kind: 'token.denied',
    actor: { id: web, entryId: 'e1', owner: 'web-team' },
    ...{ spiffeId: web, entryId: 'e1', owner: 'web-team', purpose: 'reads orders' },
    reason: 'target-needs-certificate',
  })
  // It has proved itself: what it says to be besides is nothing to put on record.
  expect(world.records().at(-1)?.['details']).toEqual({ door: 'token' })
  const proof = await world.certified(web)
  const { access_token = '' } = await send(world.server, proof, wish)
  expect(decodeJwt(access_token)['cnf']).toEqual({ 'x5t#S256': thumbprintOf(proof) })
  expect(world.records().at(-1)).toMatchObject({ confirmation: thumbprintOf(proof) })
})

/** RFC 8705 §3.1, by hand. */
function thumbprintOf(proof: Proof): string {
  return hash('sha256', ('chain' in proof && proof.chain[0]) || '', 'base64url')
}

test.each([
  [
    'a client_id that was not proved',
    { client_id: 'spiffe://example.org/other' },
    'client-id',
    'spiffe://example.org/other',
  ],
  [
    'a grant that is not given, without proof',
    { grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer' },
    'grant-unsupported',
    web,
  ],
  ['what is no name', { client_id: 'a name\nand another line' }, 'client-id', undefined],
  ['a name that is too long', { client_id: 'x'.repeat(257) }, 'client-id', undefined],
])(
  'of %s the record says who it claims to be, as unproved, and no more',
  async (_, said, reason, claimed) => {
    await using closing = new AsyncDisposableStack()
    const world = await start(closing)
    expect((await world.ask(await assertionOf(world), said)).status).toBeGreaterThanOrEqual(400)
    const record = world.records().at(-1)
    expect(record).toMatchObject({ kind: 'token.denied', reason, actor: { kind: 'node' } })
    expect(record?.['details']).toEqual({
      door: 'token',
      ...(claimed !== undefined && { unprovedClient: claimed }),
    })
    expect(record).not.toHaveProperty('spiffeId')
  },
)

test('what was issued is noted for the lists, and while the store takes nothing, nothing is issued', async () => {
  await using closing = new AsyncDisposableStack()
  const folder = closing.use(await temporaryFolder())
  const clock = new FakeClock()
  const store = closing.use(await startCa({ folder: folder.path, clock })).store
  let fails = false
  const issued = createIssuedTokens({
    store: {
      db: store.db,
      write: (job) => (fails ? Promise.reject(new Error('full')) : store.write(job)),
    },
    clock,
    log: silentLog,
  })
  const world = await start(closing, { issued })
  const assertion = await assertionOf(world)
  const { access_token = '' } = await world.ask(assertion)
  const { jti, txn } = decodeJwt<{ txn: string }>(access_token)
  fails = true
  await issued.run(AbortSignal.abort())
  fails = false
  await issued.run(AbortSignal.abort())
  const pages = issuedTokens(store.db, { spiffeId: web }, { now: clock.now() })
  expect((await pages.next()).value).toMatchObject([
    { jti, txn, parent: undefined, subject: web, clientId: web, audience: orders },
  ])
  fails = true
  for (let i = 0; i < 10_000; i += 1) issued.note(noted(String(i)))
  expect(await world.ask(assertion)).toMatchObject({ status: 503 })
})

function noted(jti: string): IssuedToken {
  return {
    ...{ jti, txn: jti, parent: undefined, entryId: 'e', owner: '', subject: web },
    ...{ clientId: web, audience: orders, scopes: ['a'], auth: 'spiffe_jwt', actors: [] },
    address: '10.0.0.1:4000',
    ...{ issuedAt: new Date(0), expiresAt: new Date(1) },
  }
}

test('no token is issued that would be dead in its own second: 503, and in the next second there is one', async () => {
  await using closing = new AsyncDisposableStack()
  const world = await start(closing)
  const assertion = await assertionOf(world)
  await world.clock.advance(10_000)
  const second = Math.floor(world.clock.now().getTime() / 1000)
  world.revocations.apply({ kind: 'audience', id: orders, notBefore: second, endsAt: second + 60 })
  const answer = await world.ask(assertion)
  expect(answer).toMatchObject({ status: 503, error: 'temporarily_unavailable' })
  expect(answer.headers['retry-after']).toBe('1')
  expect(world.records().at(-1)).toMatchObject({ reason: 'revoked-this-second' })
  await world.clock.advance(1000)
  expect((await world.ask(assertion)).status).toBe(200)
})

test('T26 an assertion from before its ID was revoked proves nothing, and one of after does', async () => {
  await using closing = new AsyncDisposableStack()
  const world = await start(closing)
  const before = await assertionOf(world)
  await world.clock.advance(5000)
  const second = Math.floor(world.clock.now().getTime() / 1000)
  world.revocations.apply({ kind: 'spiffe-id', id: web, notBefore: second, endsAt: second + 60 })
  await world.clock.advance(1000)
  expect(await world.ask(before)).toMatchObject({ status: 401, error: 'invalid_client' })
  expect(world.records().at(-1)).toMatchObject({ reason: 'svid-revoked' })
  expect((await world.ask(await assertionOf(world))).status).toBe(200)
})

test('T26 a client that is revoked while its token is made gets none, though that is of a later second', async () => {
  await using closing = new AsyncDisposableStack()
  let meanwhile = (): void => {}
  const left: IssuedToken[] = []
  const issued = { ready: () => meanwhile(), note: (token: IssuedToken) => void left.push(token) }
  const world = await start(closing, { issued })
  const assertion = await assertionOf(world)
  expect((await world.ask(assertion)).status).toBe(200)
  meanwhile = () => {
    const notBefore = Math.floor(world.clock.now().getTime() / 1000)
    world.revocations.apply({ kind: 'spiffe-id', id: web, notBefore, endsAt: notBefore + 3600 })
    world.clock.jump(1000)
  }
  expect(await world.ask(assertion)).toMatchObject({ status: 401, error: 'invalid_client' })
  expect(left).toHaveLength(1)
  expect(world.records().at(-1)).toMatchObject({ kind: 'token.denied', reason: 'svid-revoked' })
})

test.each<Pick<NumberedFact, 'kind' | 'id'>>([
  { kind: 'trust-domain', id: 'example.org' },
  { kind: 'audience', id: orders },
  { kind: 'key', id: 'that has signed it' },
])(
  'T26 a token that is put on record while a fact about its $kind comes in does not leave, though it is of a later second',
  async (about) => {
    await using closing = new AsyncDisposableStack()
    const left: IssuedToken[] = []
    const issued = { ready() {}, note: (token: IssuedToken) => void left.push(token) }
    const world = await start(closing, { issued })
    const facts: NumberedFact[] = []
    let comes = true
    const ca: TokenDoorDeps['ca'] = Object.assign(Object.create(world.ca), {
      async issueAccessToken(request: AccessTokenRequest) {
        const answer = await world.ca.issueAccessToken(request)
        const notBefore = answer.issuedAt.getTime() / 1000 - 1
        const id = about.kind === 'key' ? answer.keyId : about.id
        if (comes) facts.push({ ...about, id, number: 1, notBefore, endsAt: notBefore + 60 })
        comes = false
        return answer
      },
    })
    const door = createTokenDoor({
      ...{ ...world.deps, ca },
      revocations: {
        find: (kind, id) => world.revocations.find(kind, id),
        judge: (claims, keyId) => world.revocations.judge(claims, keyId),
        get head() {
          return { number: facts.length, hash: '' }
        },
        since: (number) => facts.slice(number),
      },
    })
    const assertion = await assertionOf(world)
    const answer = await send(door, { assertion }, wish)
    expect(answer).toMatchObject({ status: 503, error: 'temporarily_unavailable' })
    expect(world.records().at(-1)).toMatchObject({ reason: 'revoked-this-second' })
    expect(left).toEqual([])
    expect((await send(door, { assertion }, wish)).status).toBe(200)
    expect(left).toHaveLength(1)
  },
)
