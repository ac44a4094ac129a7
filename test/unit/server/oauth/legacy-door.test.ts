import { setImmediate as nextTurn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { RateLimiter } from '../../../../server/access/limits.ts'
import { legacyEntry } from '../../../../server/legacy/legacy-caller.ts'
import { createLegacyDoor } from '../../../../server/oauth/legacy-door.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'
import { orders } from '../../../support/oauth.ts'
import { entryOf, idOf, trustDomain } from '../entry/samples.ts'
import { send, startWorld } from './oauth-world.ts'

const edge = idOf('/edge')

async function start(
  closing: AsyncDisposableStack,
  answers: boolean[],
  more: Parameters<typeof startWorld>[1] = {},
  lifeMs = 86_400_000,
) {
  const world = await startWorld(closing, more)
  const caller = {
    ...{ name: 'till', networks: ['10.0.0.0/8'], resource: orders, scopes: ['orders:read'] },
    ...{ owner: 'shops', purpose: 'old tills', labels: {} },
    expiresAt: new Date(world.clock.now().getTime() + lifeMs),
  }
  const entry = entryOf({
    ...(legacyEntry(caller, 'hash', trustDomain, world.clock.now()) as Parameters<
      typeof entryOf
    >[0]),
    createdAt: world.clock.now(),
  })
  const door = createLegacyDoor({
    ...world.deps,
    settings: { ...world.deps.settings, legacyEdges: new Set([edge]) },
    entriesOf: (id) => (id === edge ? world.deps.entriesOf(id) : [entry]),
    index: { list: ({ id }) => (id === entry.id ? [entry] : []) },
    keyHash: () => 'hash',
    isKeyRevoked: async () => {
      await nextTurn()
      return answers.shift() ?? false
    },
    use: { note() {} },
  })
  const changeFrom = async (address: string) =>
    send(door, await world.asserting(edge), { key: 'the key', client_address: address })
  return { ...world, change: () => changeFrom('10.0.0.9'), changeFrom, entry }
}

test.for([
  ['before', [true]],
  ['while its token is signed', [false, true]],
] as const)('a key that was revoked %s gets nothing', async ([, answers]) => {
  await using closing = new AsyncDisposableStack()
  const { change, records } = await start(closing, [...answers])
  const refused = await change()
  expect(refused).toMatchObject({ status: 401, error: 'invalid_client' })
  expect([refused.access_token, refused.headers['authorization']]).toEqual([undefined, undefined])
  expect(records().at(-1)).toMatchObject({ kind: 'token.denied', reason: 'legacy-key-revoked' })
})

test('what its entry was ended by before ends no key, which is shown anew; in that second it has to wait', async () => {
  await using closing = new AsyncDisposableStack()
  const { change, clock, revocations, entry } = await start(closing, [])
  const notBefore = Math.floor(clock.now().getTime() / 1000)
  revocations.apply({ kind: 'entry', id: entry.id, notBefore, endsAt: notBefore + 3600 })
  const waits = await change()
  expect([waits.status, waits.headers['retry-after']]).toEqual([503, '1'])
  await clock.advance(1000)
  expect((await change()).status).toBe(200)
})

test('right keys of one address that come together are no attempts, however long the store takes', async () => {
  await using closing = new AsyncDisposableStack()
  const { change } = await start(closing, [])
  const together = await Promise.all(Array.from({ length: 40 }, change))
  expect(together.filter(({ status }) => status !== 200)).toEqual([])
})

test('T12 a caller has the calls of one client, and is told when there are more, whatever its edge has left', async () => {
  await using closing = new AsyncDisposableStack()
  const limiter = new RateLimiter({ perSecond: 0.1, burst: 2 }, new FakeClock())
  const isCaller = (who: string): boolean => who.includes('/legacy/')
  const calls = { take: (who: string) => void (isCaller(who) && limiter.take(who)) }
  const { change } = await start(closing, [], { calls })
  expect([(await change()).status, (await change()).status]).toEqual([200, 200])
  const refused = await change()
  expect([refused.status, refused.headers['retry-after']]).toEqual([503, '10'])
  expect(refused.access_token).toBeUndefined()
})

test('a key opens nothing from the end of its entry on, though the entry is still listed', async () => {
  await using closing = new AsyncDisposableStack()
  const { change, clock, records, entry } = await start(closing, [], {}, 60_000)
  expect((await change()).status).toBe(200)
  await clock.advance(Number(entry.expiresAt) - clock.now().getTime())
  const refused = await change()
  expect([refused.status, refused.access_token]).toEqual([401, undefined])
  expect(records().at(-1)).toMatchObject({ kind: 'token.denied', reason: 'legacy-key' })
})

test('each address that an edge speaks for has room of its own on record', async () => {
  await using closing = new AsyncDisposableStack()
  const { changeFrom, records } = await start(closing, [])
  const denied = (address: string) =>
    records().filter((event) => JSON.stringify(event).includes(`"${address}"`)).length
  for (let at = 0; at < 240; at += 1) await changeFrom(`11.0.0.${at % 8}`)
  await changeFrom('12.0.0.1')
  expect([denied('11.0.0.0'), denied('12.0.0.1')]).toEqual([30, 1])
})
