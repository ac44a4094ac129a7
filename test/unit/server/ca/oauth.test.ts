import { createLocalJWKSet, decodeProtectedHeader, jwtVerify } from 'jose'
import { expect, test } from 'vitest'
import { accessTokenClaims } from '../../../../server/ca/issue-access-token.ts'
import { keySetDocument } from '../../../../server/documents/key-set.ts'
import { factsAfter } from '../../../../server/store/revocation-facts.ts'
import { readFeedMessage } from '../../../../src/revocation/feed-message.ts'
import { SpiffeId } from '../../../../src/spiffe-id/spiffe-id.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'
import { startCa, temporaryFolder } from './ca-fixture.ts'

const spiffeId = SpiffeId.parse('spiffe://example.org/web')

function request(notAfter: Date) {
  return {
    ...{ spiffeId, audience: 'https://orders.example.org', jti: 'one', ttlSeconds: 300, notAfter },
    claims: { iss: 'https://as.example.org' },
    audit: { actor: { kind: 'workload', id: spiffeId } },
  } as const
}

test('keys for access tokens rotate by themselves, each published before it signs, and are in no bundle', async () => {
  await using folder = await temporaryFolder()
  const clock = new FakeClock()
  await using server = await startCa({
    folder: folder.path,
    clock,
    settings: { oauth: true, caTtlSeconds: 20, x509SvidTtlSeconds: 3, jwtSvidTtlSeconds: 3 },
  })
  const published = (): string[] => {
    const { active, prepared, old } = server.ca.state('oauth')
    return [prepared, active, ...old].flatMap((one) => one?.id ?? [])
  }
  const signers = new Set<string | undefined>()
  let living: { kid: string | undefined; expiresAt: Date }[] = []
  let before = published()
  for (let second = 0; second < 45; second += 1) {
    await server.ca.tick()
    await server.caughtUp()
    const issued = await server.ca.issueAccessToken(request(new Date(clock.now().getTime() + 3000)))
    const { kid, typ } = decodeProtectedHeader(issued.token)
    expect(typ).toBe('at+jwt')
    signers.add(kid)
    expect(before).toContain(kid)
    before = published()
    living = [...living, { kid, expiresAt: issued.expiresAt }]
    living = living.filter(({ expiresAt }) => expiresAt > clock.now())
    for (const one of living) expect(before).toContain(one.kid)
    const bundled = server.bundles.own().jwtAuthorities.map(({ keyId }) => keyId)
    expect(bundled.filter((id) => before.includes(id))).toEqual([])
    await clock.advance(1000)
  }
  expect(signers.size).toBeGreaterThanOrEqual(3)
})

test('a token ends with the SVID behind it, and none is issued for one that has ended', async () => {
  await using folder = await temporaryFolder()
  const clock = new FakeClock()
  await using server = await startCa({ folder: folder.path, clock, settings: { oauth: true } })
  const inTen = new Date(Math.floor(clock.now().getTime() / 1000) * 1000 + 10_000)
  expect((await server.ca.issueAccessToken(request(inTen))).expiresAt).toEqual(inTen)
  await expect(server.ca.issueAccessToken(request(clock.now()))).rejects.toMatchObject({
    code: 'unauthenticated',
    reason: 'svid-ending',
  })
})

test('a token ends with the key that signs it, and none is issued by one that is about to end', () => {
  const now = new Date('2026-06-01T12:00:00.500Z')
  const by = (ms: number) => {
    const key = { notAfter: new Date(now.getTime() + ms) }
    return accessTokenClaims(request(new Date(now.getTime() + 300_000)), key, now)
  }
  expect(new Date(by(100_000).exp * 1000)).toEqual(new Date('2026-06-01T12:01:40Z'))
  expect(() => by(400)).toThrow(
    expect.objectContaining({ code: 'unavailable', reason: 'jwt-key-ending' }),
  )
})

test('without an authorization server there is no key for access tokens', async () => {
  await using folder = await temporaryFolder()
  const clock = new FakeClock()
  await using server = await startCa({ folder: folder.path, clock })
  expect(server.ca.state('oauth').active).toBeUndefined()
  await expect(
    server.ca.issueAccessToken(request(new Date(clock.now().getTime() + 60_000))),
  ).rejects.toMatchObject({ reason: 'authority-missing' })
})

test('RFC 9068 §2.1 RS256 where it is asked for, from the next key on, and both keys are published meanwhile', async () => {
  await using folder = await temporaryFolder()
  const clock = new FakeClock()
  const later = new Date(clock.now().getTime() + 300_000)
  const act = { actor: { kind: 'server' } } as const
  let before: string
  {
    await using server = await startCa({ folder: folder.path, clock, settings: { oauth: true } })
    before = (await server.ca.issueAccessToken(request(later))).token
  }
  await using server = await startCa({
    folder: folder.path,
    clock,
    settings: { oauth: true, oauthKeyKind: 'rsa-2048' },
  })
  const issue = async (): Promise<string> =>
    (await server.ca.issueAccessToken(request(later))).token
  expect(decodeProtectedHeader(await issue()).alg).toBe('ES256')
  const { id } = await server.ca.prepare('oauth', act)
  await server.ca.activate('oauth', id, act)
  const token = await issue()
  expect(decodeProtectedHeader(token)).toEqual({ alg: 'RS256', kid: id, typ: 'at+jwt' })
  const { active, old } = server.ca.state('oauth')
  const published = [active, ...old].flatMap((one) => one ?? [])
  const keys = createLocalJWKSet(
    JSON.parse(keySetDocument(published.map(({ id: keyId, publicKey }) => ({ keyId, publicKey })))),
  )
  const options = { typ: 'at+jwt', currentDate: clock.now() }
  for (const one of [before, token]) {
    expect((await jwtVerify(one, keys, options)).payload.sub).toBe(spiffeId)
  }
})

test('T26 a key that is tainted or revoked revokes what it has signed, in the same write', async () => {
  await using folder = await temporaryFolder()
  const clock = new FakeClock()
  await using server = await startCa({ folder: folder.path, clock, settings: { oauth: true } })
  const { ca, store } = server
  const act = { actor: { kind: 'server' } } as const
  const known: unknown[] = []
  const news = async (): Promise<unknown[]> => {
    const { facts } = await factsAfter(store.db, 0, 100)
    const added = facts.slice(known.length).map(({ kind, id }) => [kind, id])
    known.push(...added)
    return added
  }
  const expected = {
    oauth: (id: string) => ['key', id],
    x509: () => ['trust-domain', 'example.org'],
    jwt: () => ['trust-domain', 'example.org'],
    // What the feed’s own key has signed, its readers drop with the key.
    feed: () => undefined,
  } as const
  for (const [kind, factOf] of Object.entries(expected)) {
    const set = kind as keyof typeof expected
    const before = ca.state(set).active?.id ?? ''
    const { id } = await ca.prepare(set, act)
    await ca.activate(set, id, act)
    expect(await news()).toEqual([])
    const fact = factOf(before)
    await ca.taint(set, before, act)
    expect(await news()).toEqual(fact === undefined ? [] : [fact])
    await ca.revoke(set, before, act)
    expect(await news()).toEqual(fact === undefined ? [] : [fact])
  }
})

test('the key of the feed signs no access token, and none of theirs a message of the feed', async () => {
  await using folder = await temporaryFolder()
  const clock = new FakeClock()
  await using server = await startCa({ folder: folder.path, clock, settings: { oauth: true } })
  await server.caughtUp()
  const { ca } = server
  const [feed, oauth] = [ca.state('feed').active, ca.state('oauth').active]
  expect(decodeProtectedHeader(await ca.signFeed({}))).toMatchObject({
    kid: feed?.id,
    typ: 'revocation-feed+jwt',
  })
  const { token } = await ca.issueAccessToken(request(new Date(clock.now().getTime() + 60_000)))
  expect(decodeProtectedHeader(token)).toMatchObject({ kid: oauth?.id, typ: 'at+jwt' })
  const issuer = 'https://as.example.org'
  const keyOf = async (id: string) => [feed, oauth].find((key) => key?.id === id)?.publicKey
  // By its type alone, even where somebody has put all keys into one set.
  await expect(readFeedMessage(token, { issuer, keyOf })).rejects.toMatchObject({
    reason: 'token-type',
  })
  const bundle = server.bundles.own()
  const inBundle = bundle.jwtAuthorities.map(({ keyId }) => keyId)
  expect(inBundle).not.toContain(feed?.id)
})
