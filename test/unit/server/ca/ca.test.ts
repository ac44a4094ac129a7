import { X509Certificate } from 'node:crypto'
import { chmod, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { IssuedX509, X509Request } from '../../../../server/ca/issue-x509.ts'
import { memoryKeyManager } from '../../../../server/ca/key-manager.ts'
import { loadAuthorities, putAuthority } from '../../../../server/store/authorities.ts'
import { verify } from '../../../../src/audit/chain.ts'
import type { Bundle } from '../../../../src/bundle/bundle.ts'
import { CountersignError } from '../../../../src/errors.ts'
import { SpiffeId } from '../../../../src/spiffe-id/spiffe-id.ts'
import { verifyJwtSvid } from '../../../../src/svid/jwt-svid.ts'
import { verifyX509Svid } from '../../../../src/svid/x509-svid.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'
import { generateKeyPair, softwareSigner, spkiOf } from '../../../../src/x509/key.ts'
import { type RunningCa, startCa, temporaryFolder, trustDomain } from './ca-fixture.ts'

const web = SpiffeId.of(trustDomain, '/web')
const audit = { actor: { kind: 'server' } } as const
const spki = spkiOf((await generateKeyPair('ec-p256')).publicKey)

const request = (change: Partial<X509Request> = {}): X509Request => ({
  spiffeId: web,
  spki,
  ttlSeconds: 0,
  kind: 'workload',
  audit,
  ...change,
})

async function issue(server: RunningCa, change: Partial<X509Request> = {}): Promise<IssuedX509> {
  const [issued] = await server.ca.issueX509([request(change)])
  if (issued === undefined || issued instanceof CountersignError) throw issued
  return issued
}

const jwt = (server: RunningCa, ttlSeconds = 0) =>
  server.ca.issueJwt({ spiffeId: web, audience: ['db'], ttlSeconds, audit })

async function recordsOf(folder: string): Promise<Readonly<Record<string, unknown>>[]> {
  const lines = (await readFile(join(folder, 'one.log'), 'utf8')).split('\n').slice(0, -1)
  expect(verify(lines).fault).toBeUndefined()
  return lines.map((line) => JSON.parse(line) as Record<string, unknown>)
}

test('the first start makes one of each kind, publishes what signs SVIDs and puts that on record', async () => {
  await using folder = await temporaryFolder()
  await using server = await startCa({ folder: folder.path, clock: new FakeClock() })
  await server.caughtUp()
  const own = server.bundles.own()
  expect(own).toMatchObject({ sequence: 1n, refreshHintSeconds: 300 })
  expect(own.x509Authorities).toHaveLength(1)
  expect(own.jwtAuthorities[0]?.keyId).toBe(server.ca.state('jwt').active?.id)
  expect((await recordsOf(folder.path)).map(({ kind }) => kind)).toEqual([
    'authority.prepared',
    'authority.activated',
    'authority.prepared',
    'authority.activated',
    'authority.prepared',
    'authority.activated',
  ])
})

test('what is issued verifies and is on record first, a batch in one write', async () => {
  await using folder = await temporaryFolder()
  const clock = new FakeClock()
  await using server = await startCa({ folder: folder.path, clock })
  await server.caughtUp()
  const about = { ...audit, entryId: 'e1', owner: 'team', purpose: 'web', requestId: 'r1' }
  const results = await server.ca.issueX509([
    request({ audit: about, dnsNames: ['web.example.org'] }),
    request({ spiffeId: SpiffeId.parse('spiffe://example.com/web') }),
    request({ spiffeId: SpiffeId.of(trustDomain, '/spire/agent/x') }),
    request({ dnsNames: ['not a name'] }),
    Promise.resolve(new CountersignError('invalid', 'not signed', { reason: 'csr-signature' })),
    request({ ttlSeconds: -1 }),
    new Promise((resolve) => setImmediate(() => resolve(request({ ttlSeconds: 60 })))),
  ])
  const issued = results.filter((one): one is IssuedX509 => !(one instanceof CountersignError))
  expect(results.map((one) => (one instanceof CountersignError ? one.reason : 'issued'))).toEqual([
    'issued',
    'svid-foreign',
    'svid-reserved',
    'lint-dns-name',
    'csr-signature',
    'svid-ttl',
    'issued',
  ])
  expect(issued.map(({ expiresAt }) => expiresAt.getTime() - clock.now().getTime())).toEqual([
    3_600_000, 60_000,
  ])
  for (const { chain } of issued) {
    expect(verifyX509Svid(chain, server.bundles, clock.now()).spiffeId).toBe(web)
  }
  const token = await jwt(server)
  await verifyJwtSvid(token.token, { audience: 'db', bundles: server.bundles, now: clock.now() })
  const records = (await recordsOf(folder.path)).slice(6)
  expect(records).toMatchObject([
    {
      kind: 'svid.x509.issued',
      spiffeId: web,
      serial: issued[0]?.serial,
      entryId: 'e1',
      owner: 'team',
      purpose: 'web',
      requestId: 'r1',
      decision: 'allow',
      authorityId: server.ca.state('x509').active?.id,
    },
    { kind: 'svid.x509.issued', serial: issued[1]?.serial },
    { kind: 'svid.jwt.issued', audience: ['db'], expiresAt: token.expiresAt.toISOString() },
  ])
  expect(JSON.stringify(records)).not.toContain(token.token.split('.')[2])
})

test('certificates begin ten seconds ago, tokens now, and neither holds more than it should', async () => {
  await using folder = await temporaryFolder()
  const clock = new FakeClock()
  await using server = await startCa({ folder: folder.path, clock })
  const { chain } = await issue(server, { dnsNames: ['web.example.org', 'b.example.org'] })
  const leaf = new X509Certificate(chain[0] ?? Buffer.alloc(0))
  const root = new X509Certificate(server.ca.state('x509').active?.certificate ?? Buffer.alloc(0))
  const fromNow = (date: Date): number => (date.getTime() - clock.now().getTime()) / 1000
  expect(
    [leaf, root].map(({ validFromDate, validToDate }) => [validFromDate, validToDate].map(fromNow)),
  ).toEqual([
    [-10, 3600],
    [-10, 86_400],
  ])
  expect(leaf.subject).toBe('C=US\nO=COUNTERSIGN\nCN=web.example.org')
  expect(root.subject).toMatch(/^C=US\nO=COUNTERSIGN\nserialNumber=[0-9a-f]{32}$/)
  const token = (await jwt(server)).token.split('.')
  const [header, claims] = token.map((part) => Buffer.from(part, 'base64url').toString())
  expect(JSON.parse(header ?? '')).toEqual({
    alg: 'ES256',
    kid: server.ca.state('jwt').active?.id,
    typ: 'JWT',
  })
  const iat = clock.now().getTime() / 1000
  expect(JSON.parse(claims ?? '')).toEqual({ sub: web, aud: ['db'], iat, exp: iat + 300 })
})

test('the server has an identity of its own whose chain ends with the CA', async () => {
  await using folder = await temporaryFolder()
  const clock = new FakeClock()
  await using server = await startCa({ folder: folder.path, clock })
  await server.caughtUp()
  const svid = await server.ca.issueServerIdentity()
  const verified = verifyX509Svid(svid.chain, server.bundles, clock.now())
  expect(verified.spiffeId).toBe('spiffe://example.org/spire/server')
  expect(svid.chain[1]).toEqual(server.ca.x509.active().certificate.der)
})

test('nothing outlives its authority', async () => {
  await using folder = await temporaryFolder()
  const clock = new FakeClock()
  await using server = await startCa({
    folder: folder.path,
    clock,
    settings: { caTtlSeconds: 600 },
  })
  const end = server.ca.state('x509').active?.notAfter
  expect((await issue(server, { ttlSeconds: 3600 })).expiresAt).toEqual(end)
  expect((await jwt(server, 3600)).expiresAt).toEqual(end)
  clock.jump(600_000)
  await expect(issue(server)).rejects.toMatchObject({ reason: 'authority-ended' })
  await expect(jwt(server)).rejects.toMatchObject({ reason: 'authority-ended' })
  expect(server.ca.ready()?.reason).toBe('authority-ended')
  await server.ca.tick()
  await expect(issue(server)).resolves.toBeDefined()
})

test('FED-02 FED-03 TDB-05 F4 through three rotations and a restart every living SVID verifies at each tick', async () => {
  await using folder = await temporaryFolder()
  const clock = new FakeClock()
  const settings = { caTtlSeconds: 20, x509SvidTtlSeconds: 6, jwtSvidTtlSeconds: 5 }
  const start = () => startCa({ folder: folder.path, clock, settings })
  let server = await start()
  const living: { expiresAt: Date; check(): unknown }[] = []
  const signers = new Set<string | undefined>()
  let before: Bundle | undefined
  try {
    for (let second = 0; second < 75; second += 1) {
      if (second === 31) {
        await server[Symbol.asyncDispose]()
        server = await start()
      }
      await server.ca.tick()
      await server.caughtUp()
      expect(server.ca.ready()).toBeUndefined()

      const active = server.ca.state('jwt').active?.id
      signers.add(active)
      const svid = await issue(server)
      const token = await jwt(server)
      const own = server.bundles.own()
      expect(own.jwtAuthorities.length).toBeLessThanOrEqual(3)
      // What signs now was in the bundle at the tick before.
      const known = before
      if (known !== undefined) {
        expect(known.jwtAuthorities.map(({ keyId }) => keyId)).toContain(active)
        verifyX509Svid(svid.chain, { bundleOf: () => known }, clock.now())
        expect(own.sequence).toBeGreaterThanOrEqual(known.sequence)
      }
      before = own
      living.push({
        expiresAt: svid.expiresAt,
        check: () => verifyX509Svid(svid.chain, server.bundles, clock.now()),
      })
      living.push({
        expiresAt: token.expiresAt,
        check: () =>
          verifyJwtSvid(token.token, {
            audience: 'db',
            bundles: server.bundles,
            now: clock.now(),
          }),
      })
      for (const one of living) if (one.expiresAt > clock.now()) await one.check()
      await clock.advance(1000)
    }
  } finally {
    await server[Symbol.asyncDispose]()
  }
  expect(signers.size).toBeGreaterThanOrEqual(4)
  const kinds = (await recordsOf(folder.path)).map(({ kind }) => kind)
  expect(kinds.filter((kind) => kind === 'authority.retired').length).toBeGreaterThanOrEqual(4)
})

test('TDB-05 a restart goes on with the same authorities and sequence', async () => {
  await using folder = await temporaryFolder()
  const clock = new FakeClock()
  const ids: unknown[] = []
  for (let i = 0; i < 2; i += 1) {
    await using server = await startCa({ folder: folder.path, clock })
    await server.caughtUp()
    ids.push([server.ca.state('x509').active?.id, server.bundles.own().sequence])
    await issue(server)
  }
  expect(ids[0]).toEqual(ids[1])
})

test('a rotation by one server is seen by another, and is done once', async () => {
  await using folder = await temporaryFolder()
  const clock = new FakeClock()
  await using one = await startCa({ folder: folder.path, clock })
  await using two = await startCa({ folder: folder.path, clock, name: 'two' })
  clock.jump(13 * 3_600_000)
  // Who finds the store busy waits on the clock.
  let done = false
  const ticks = Promise.all([one.ca.tick(), two.ca.tick()]).finally(() => {
    done = true
  })
  while (!done) await clock.advance(100)
  await ticks
  await one.ca.tick()
  // Whichever of them did it, the other is told.
  for (const { ca } of [one, two]) {
    ca.apply({ authoritiesChanged: true })
    await ca.settled()
  }
  expect(two.ca.state('x509').prepared?.id).toBe(one.ca.state('x509').prepared?.id)
  expect((await loadAuthorities(one.store.db)).length).toBe(6)
})

const act = { actor: { kind: 'local', uid: 0 }, requestId: 'r' } as const

describe.each(['x509', 'jwt'] as const)('a %s authority', (kind) => {
  test('is tainted and revoked when it is old, in this order, and never before', async () => {
    await using folder = await temporaryFolder()
    await using server = await startCa({ folder: folder.path, clock: new FakeClock() })
    const { ca } = server
    const refused = (call: Promise<unknown>, reason: string) =>
      expect(call).rejects.toMatchObject({ reason })
    const first = ca.state(kind).active?.id ?? ''
    await refused(ca.taint(kind, '', act), 'authority-id')
    await refused(ca.taint(kind, 'none', act), 'authority-unknown')
    await refused(ca.taint(kind, first, act), 'authority-active')
    await refused(ca.revoke(kind, first, act), 'authority-active')
    const { id } = await ca.prepare(kind, act)
    await refused(ca.taint(kind, id, act), 'authority-not-old')
    await ca.activate(kind, id, act)
    await refused(ca.revoke(kind, first, act), 'authority-not-tainted')

    expect(await ca.taint(kind, first, act)).toMatchObject({ id: first, tainted: true })
    expect((await ca.taint(kind, first, act)).tainted).toBe(true)
    await server.caughtUp()
    expect(taintOf(server.bundles.own(), kind).sort()).toEqual([false, true])

    await ca.revoke(kind, first, act)
    await server.caughtUp()
    expect(taintOf(server.bundles.own(), kind)).toEqual([false])
    expect(ca.state(kind).old).toEqual([])
    await refused(ca.revoke(kind, first, act), 'authority-unknown')

    const events = await recordsOf(folder.path)
    const ends = events.filter(({ kind: what }) => /tainted|revoked/.test(String(what)))
    expect(ends).toMatchObject([
      { kind: 'authority.tainted', authorityId: first, reason: 'asked', requestId: 'r' },
      { kind: 'authority.revoked', authorityId: first, reason: 'asked', actor: act.actor },
    ])
  })
})

function taintOf(bundle: Bundle, kind: 'x509' | 'jwt'): boolean[] {
  return (kind === 'x509' ? bundle.x509Authorities : bundle.jwtAuthorities).map(
    ({ tainted }) => tainted,
  )
}

test('a successor can be asked for and take over; the old key is forgotten', async () => {
  await using folder = await temporaryFolder()
  await using server = await startCa({ folder: folder.path, clock: new FakeClock() })
  const { ca } = server
  const before = ca.state('x509').active?.id ?? ''
  await expect(ca.activate('x509', 'none', act)).rejects.toMatchObject({
    code: 'invalid',
    reason: 'authority-unknown',
  })
  await expect(ca.activate('x509', before, act)).rejects.toMatchObject({
    code: 'conflict',
    reason: 'authority-not-prepared',
  })
  const first = await ca.prepare('x509', act)
  const prepared = await ca.prepare('x509', act)
  await server.caughtUp()
  const published = server.bundles.own().x509Authorities.map(({ certificate }) => certificate)
  expect(published).not.toContainEqual(first.certificate)
  expect(published).toContainEqual(prepared.certificate)
  await expect(ca.activate('jwt', prepared.id, act)).rejects.toMatchObject({
    reason: 'authority-unknown',
  })
  expect((await ca.activate('x509', prepared.id, act)).id).toBe(prepared.id)
  const [old] = ca.state('x509').old
  expect(old?.id).toBe(before)
  expect(old?.sealedKey).toHaveLength(0)
})

test('T10 an authority whose sealed key was changed stops the start', async () => {
  await using folder = await temporaryFolder()
  const clock = new FakeClock()
  {
    await using server = await startCa({ folder: folder.path, clock })
    const active = server.ca.state('jwt').active
    if (active === undefined) throw new Error('no authority')
    const sealedKey = Buffer.from(active.sealedKey)
    sealedKey[40] = (sealedKey[40] ?? 0) ^ 1
    await server.store.write((tx) => putAuthority(tx, { ...active, sealedKey }))
  }
  await expect(startCa({ folder: folder.path, clock })).rejects.toMatchObject({
    reason: 'sealed-key-refused',
  })
})

test('without its wrapping key the server does not start, instead of making new authorities', async () => {
  await using folder = await temporaryFolder()
  const clock = new FakeClock()
  await using _ = await startCa({ folder: folder.path, clock })
  await rm(join(folder.path, 'wrapping.key'))
  await expect(startCa({ folder: folder.path, clock, name: 'two' })).rejects.toMatchObject({
    reason: 'sealed-key-refused',
  })
})

test('an authority that somebody has changed in the database signs nothing, and nothing is made in its place', async () => {
  await using folder = await temporaryFolder()
  const clock = new FakeClock()
  {
    await using server = await startCa({ folder: folder.path, clock })
    expect(server.ca.ready()).toBeUndefined()
    const before = server.ca.state('x509').active
    await server.store.write(async (tx) => {
      await tx.db.updateTable('authorities').set({ mac: 'forged' }).execute()
      await tx.change('authority', ['x'])
    })
    await server.caughtUp()
    expect(server.ca.ready()?.reason).toBe('authority-row-refused')
    await server.ca.tick()
    expect(server.ca.state('x509').active).toEqual(before)
    expect((await jwt(server)).token).toMatch(/^ey/)
  }
  await expect(startCa({ folder: folder.path, clock })).rejects.toMatchObject({
    reason: 'authority-row-refused',
  })
})

test('what cannot be put on record is not issued', async () => {
  await using folder = await temporaryFolder()
  await using server = await startCa({ folder: folder.path, clock: new FakeClock() })
  await server.trail[Symbol.asyncDispose]()
  await expect(issue(server)).rejects.toMatchObject({ reason: 'audit-unwritable' })
  await expect(jwt(server)).rejects.toMatchObject({ reason: 'audit-unwritable' })
  await expect(server.ca.issueServerIdentity()).rejects.toMatchObject({
    reason: 'audit-unwritable',
  })
  const { privateKey } = await generateKeyPair('ec-p256')
  const downstream = { spki: spkiOf(privateKey), ttlSeconds: 0, audit: act }
  await expect(server.ca.issueDownstreamCa(downstream)).rejects.toMatchObject({
    reason: 'audit-unwritable',
  })
  await expect(server.ca.prepare('x509', act)).rejects.toMatchObject({
    reason: 'audit-unwritable',
  })
  expect(server.ca.state('x509').prepared).toBeUndefined()
})

test('T20 after the clock went back nothing is signed, also after a restart, until it is accepted', async () => {
  await using folder = await temporaryFolder()
  const clock = new FakeClock()
  {
    await using server = await startCa({ folder: folder.path, clock })
    await server.ca.tick()
  }
  clock.jump(-600_000)
  await using server = await startCa({ folder: folder.path, clock })
  await expect(issue(server)).rejects.toMatchObject({ reason: 'clock-went-back' })
  await expect(jwt(server)).rejects.toMatchObject({ reason: 'clock-went-back' })
  expect(server.ca.ready()?.reason).toBe('clock-went-back')
  // But for what opens its own doors, so that there is somebody to accept it.
  expect((await server.ca.issueServerIdentity()).notBefore > clock.now()).toBe(true)
  await server.ca.tick()
  expect(await server.ca.acceptClock({ kind: 'local', uid: 0 })).toEqual(clock.now())
  expect(server.ca.ready()).toBeUndefined()
  const svid = await issue(server)
  expect(svid.expiresAt.getTime()).toBe(clock.now().getTime() + 3_600_000)
  expect((await recordsOf(folder.path)).some(({ kind }) => kind === 'clock.accepted')).toBe(true)
})

test('the server is not ready when it has failed to look after its authorities more than ten times, and again once it can', async () => {
  await using folder = await temporaryFolder()
  const clock = new FakeClock()
  const real = memoryKeyManager()
  let broken = false
  const seal: typeof real.seal = (...given) =>
    broken ? Promise.reject(new Error('the token was pulled')) : real.seal(...given)
  await using server = await startCa({ folder: folder.path, clock, keys: { ...real, seal } })
  clock.jump(13 * 3_600_000)
  broken = true
  for (let tick = 1; tick <= 10; tick += 1) await server.ca.tick()
  expect(server.ca.ready()).toBeUndefined()
  await server.ca.tick()
  expect(server.ca.ready()?.reason).toBe('rotation-failing')
  broken = false
  await server.ca.tick()
  expect(server.ca.ready()).toBeUndefined()
  expect(server.ca.state('x509').prepared).toBeDefined()
})

test('a key outside that signs with another than it shows gives neither a certificate nor a token', async () => {
  await using folder = await temporaryFolder()
  const clock = new FakeClock()
  const real = memoryKeyManager()
  const other = softwareSigner((await generateKeyPair('ec-p256')).privateKey)
  const open: typeof real.open = async (...given) => ({
    ...(await real.open(...given)),
    sign: other.sign,
  })
  await using server = await startCa({ folder: folder.path, clock, keys: { ...real, open } })
  await server.caughtUp()
  expect(await issue(server).catch((error: unknown) => error)).toMatchObject({
    reason: 'ca-signature',
  })
  await expect(jwt(server)).rejects.toMatchObject({ reason: 'lint-signature' })
})

test('run keeps the latest time when it is stopped', async () => {
  await using folder = await temporaryFolder()
  const clock = new FakeClock()
  {
    await using server = await startCa({ folder: folder.path, clock })
    const stop = new AbortController()
    const running = server.ca.run(stop.signal)
    clock.jump(3_600_000)
    await issue(server)
    stop.abort()
    await running
  }
  clock.jump(-3_600_000)
  await using server = await startCa({ folder: folder.path, clock })
  expect(server.ca.ready()?.reason).toBe('clock-went-back')
})

test('an Ed25519 key signs X.509 and is refused for JWT', async () => {
  await using folder = await temporaryFolder()
  const clock = new FakeClock()
  const start = (settings: object) => startCa({ folder: folder.path, clock, settings })
  await expect(start({ jwtKeyKind: 'ed25519' })).rejects.toMatchObject({ reason: 'ca-key-kind' })
  await using server = await start({ x509KeyKind: 'ed25519', jwtKeyKind: 'ec-p384' })
  await server.caughtUp()
  const svid = await issue(server)
  expect(verifyX509Svid(svid.chain, server.bundles, clock.now()).spiffeId).toBe(web)
})

test('T22 a wrapping key that others can read stops the start', async () => {
  await using folder = await temporaryFolder()
  const clock = new FakeClock()
  {
    await using _ = await startCa({ folder: folder.path, clock })
  }
  await chmod(join(folder.path, 'wrapping.key'), 0o644)
  await expect(startCa({ folder: folder.path, clock })).rejects.toMatchObject({
    reason: 'wrapping-key-loose',
  })
})
