import { expect, test } from 'vitest'
import { SignedHeads } from '../../../../server/audit/signed-heads.ts'
import { HeadKeys } from '../../../../src/audit/head-keys.ts'
import { readSignedHead } from '../../../../src/audit/signed-head.ts'
import { silentLog } from '../../../../src/runtime/log.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'
import { startCa, temporaryFolder } from '../ca/ca-fixture.ts'

const chain = 'c0'.repeat(16)

test('the head is signed each minute in which something came on record, and not where nothing did', async () => {
  await using folder = await temporaryFolder()
  const clock = new FakeClock()
  await using server = await startCa({ folder: folder.path, clock })
  const minutes = new FakeClock()
  const signed: number[] = []
  const heads = new SignedHeads({
    ...{ trail: server.trail, chain, clock: minutes, log: silentLog },
    sign(head) {
      signed.push(head.head.number)
      return server.ca.signHead(head)
    },
  })
  const stop = new AbortController()
  const running = heads.run(stop.signal).catch(() => {})
  const wait = async () => {
    await expect.poll(() => minutes.sleeping).toBe(1)
    await minutes.advance(60_000)
  }
  expect(signed).toHaveLength(0)
  await wait()
  await wait()
  await expect.poll(() => minutes.sleeping).toBe(1)
  expect(signed).toHaveLength(1)
  await server.trail.append([
    { kind: 'policy.loaded', time: clock.now(), actor: { kind: 'server' }, decision: 'allow' },
  ])
  await wait()
  await expect.poll(() => signed.length).toBe(2)
  expect(signed[1]).toBeGreaterThan(signed[0] ?? 0)
  stop.abort()
  await running
})

test('keys for heads rotate by themselves, and each is announced by a head before it signs', async () => {
  await using folder = await temporaryFolder()
  const clock = new FakeClock()
  await using server = await startCa({
    folder: folder.path,
    clock,
    settings: { caTtlSeconds: 20, x509SvidTtlSeconds: 3, jwtSvidTtlSeconds: 3 },
  })
  const hash = 'ab'.repeat(32)
  let keys: HeadKeys | undefined
  const seen = new Set<string>()
  for (let second = 0; second < 45; second += 1) {
    await server.ca.tick()
    await server.caughtUp()
    const text = await server.ca.signHead({ chain, head: { number: second + 1, hash } })
    const head = await readSignedHead(text)
    if (head === undefined) throw new Error('the head is not signed')
    keys ??= new HeadKeys([head.key])
    expect(keys.accepts(head)).toBe(true)
    seen.add(head.key)
    // Nor does it open a door: no bundle and no key set has it.
    const bundled = server.bundles.own().jwtAuthorities.map(({ keyId }) => keyId)
    expect(bundled).not.toContain(server.ca.state('trail').active?.id)
    await clock.advance(1000)
  }
  expect(seen.size).toBeGreaterThanOrEqual(3)
})

test('a head that cannot be signed or written stops nothing', async () => {
  const heads = new SignedHeads({
    trail: {
      head: () => ({ number: 3, hash: 'ab'.repeat(32) }),
      append: () => Promise.reject(new Error('the disk is full')),
    },
    ...{ chain, clock: new FakeClock(), log: silentLog },
    sign: async () => 'head',
  })
  await expect(heads.sign()).resolves.toBeUndefined()
})
