import { decodeProtectedHeader } from 'jose'
import { expect, test } from 'vitest'
import type { CaSettings } from '../../../../server/ca/settings.ts'
import type { Bundle } from '../../../../src/bundle/bundle.ts'
import { SpiffeId } from '../../../../src/spiffe-id/spiffe-id.ts'
import { verifyJwtSvid } from '../../../../src/svid/jwt-svid.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'
import { type RunningCa, startCa, temporaryFolder, trustDomain } from './ca-fixture.ts'

const audit = { actor: { kind: 'server' } } as const
const act = { actor: { kind: 'local', uid: 0 }, requestId: 'r' } as const
const [cloud, other, modern] = ['https://cloud.example', 'https://other.example', 'db']
const settings: Partial<CaSettings> = { jwtRs256Audiences: [cloud, other] }

async function signed(server: RunningCa, ...audience: string[]) {
  const spiffeId = SpiffeId.of(trustDomain, '/web')
  const { token, expiresAt } = await server.ca.issueJwt({
    spiffeId,
    audience,
    ttlSeconds: 0,
    audit,
  })
  const { alg, kid } = decodeProtectedHeader(token)
  return { token, expiresAt, alg, kid, audience: audience[0] ?? '' }
}

type Signed = Awaited<ReturnType<typeof signed>>

const verify = ({ token, audience }: Signed, server: RunningCa, now: Date) =>
  verifyJwtSvid(token, { audience, bundles: server.bundles, now })

test('a token is signed with RS256 where all of its audiences are listed, by their exact names', async () => {
  await using folder = await temporaryFolder()
  const clock = new FakeClock()
  await using server = await startCa({ folder: folder.path, clock, settings })
  await server.caughtUp()
  const cases = [
    [[cloud], 'RS256'],
    [[cloud, other], 'RS256'],
    [[cloud, modern], 'ES256'],
    [[modern], 'ES256'],
    [[`${cloud}/`], 'ES256'],
    [[cloud.toUpperCase()], 'ES256'],
  ] as const
  for (const [audience, alg] of cases) {
    const svid = await signed(server, ...audience)
    expect([audience, svid.alg]).toEqual([audience, alg])
    await verify(svid, server, clock.now())
  }
  const own = server.bundles.own()
  expect(own.jwtAuthorities.map(({ keyId }) => keyId).sort()).toEqual(
    [server.ca.state('jwt').active?.id, server.ca.state('jwt-rs256').active?.id].sort(),
  )
})

test('FED-02 FED-03 RS256 keys rotate by themselves, also over a restart, each in the bundle before it signs', async () => {
  await using folder = await temporaryFolder()
  const clock = new FakeClock()
  const short = { ...settings, caTtlSeconds: 20, x509SvidTtlSeconds: 3, jwtSvidTtlSeconds: 3 }
  const start = () => startCa({ folder: folder.path, clock, settings: short })
  let server = await start()
  const signers = new Set<string | undefined>()
  let living: Signed[] = []
  let before: Bundle | undefined
  try {
    for (let second = 0; second < 45; second += 1) {
      if (second === 21) {
        await server[Symbol.asyncDispose]()
        server = await start()
      }
      await server.ca.tick()
      await server.caughtUp()
      expect(server.ca.ready()).toBeUndefined()
      const svid = await signed(server, cloud)
      expect(svid.alg).toBe('RS256')
      signers.add(svid.kid)
      if (before !== undefined) {
        expect(before.jwtAuthorities.map(({ keyId }) => keyId)).toContain(svid.kid)
      }
      before = server.bundles.own()
      living = [...living, svid].filter(({ expiresAt }) => expiresAt > clock.now())
      for (const one of living) await verify(one, server, clock.now())
      await clock.advance(1000)
    }
  } finally {
    await server[Symbol.asyncDispose]()
  }
  expect(signers.size).toBeGreaterThanOrEqual(3)
})

test('where the list is emptied no RS256 key is made any more, and the last stays until it has ended', async () => {
  await using folder = await temporaryFolder()
  const clock = new FakeClock()
  let token: Signed
  {
    await using server = await startCa({ folder: folder.path, clock, settings })
    token = await signed(server, cloud)
  }
  await using server = await startCa({ folder: folder.path, clock })
  await server.caughtUp()
  expect((await signed(server, cloud)).alg).toBe('ES256')
  await verify(token, server, clock.now())
  for (let hours = 0; hours < 26; hours += 1) {
    clock.jump(3_600_000)
    await server.ca.tick()
  }
  await server.caughtUp()
  expect(server.ca.state('jwt-rs256')).toEqual({ active: undefined, prepared: undefined, old: [] })
  expect(server.bundles.own().jwtAuthorities.map(({ keyId }) => keyId)).not.toContain(token.kid)
})

test('the list may come later: the key is made at the next start', async () => {
  await using folder = await temporaryFolder()
  const clock = new FakeClock()
  await (await startCa({ folder: folder.path, clock }))[Symbol.asyncDispose]()
  await using server = await startCa({ folder: folder.path, clock, settings })
  await server.caughtUp()
  await verify(await signed(server, cloud), server, clock.now())
})

test('with a JWT authority its RS256 neighbour is replaced; each is tainted and revoked by its own id', async () => {
  await using folder = await temporaryFolder()
  const clock = new FakeClock()
  await using server = await startCa({ folder: folder.path, clock, settings })
  const { ca } = server
  const [es256, rs256] = [await signed(server, modern), await signed(server, cloud)]
  const prepared = await ca.prepare('jwt', act)
  const beside = ca.state('jwt-rs256').prepared?.id
  expect((await ca.activate('jwt', prepared.id, act)).id).toBe(prepared.id)
  expect((await signed(server, cloud)).kid).toBe(beside)
  expect((await signed(server, modern)).kid).toBe(prepared.id)

  const old = rs256.kid ?? ''
  await expect(ca.taint('x509', old, act)).rejects.toMatchObject({ reason: 'authority-unknown' })
  await expect(ca.taint('jwt', beside ?? '', act)).rejects.toMatchObject({
    reason: 'authority-active',
  })
  await expect(ca.revoke('jwt', old, act)).rejects.toMatchObject({
    reason: 'authority-not-tainted',
  })
  expect(await ca.taint('jwt', old, act)).toMatchObject({ id: old, tainted: true })
  await ca.revoke('jwt', old, act)
  await server.caughtUp()
  await expect(verify(rs256, server, clock.now())).rejects.toMatchObject({
    code: 'unauthenticated',
  })
  // The other set's old key is as it was.
  await verify(es256, server, clock.now())
  expect(ca.state('jwt').old).toMatchObject([{ id: es256.kid, tainted: false }])
})
