import { expect, test } from 'vitest'
import { factWriter } from '../../../../server/revocation/write-facts.ts'
import { putAuthority } from '../../../../server/store/authorities.ts'
import { factsAfter } from '../../../../server/store/revocation-facts.ts'
import { TrustDomain } from '../../../../src/spiffe-id/spiffe-id.ts'
import { authorityOf } from '../entry/samples.ts'
import { tempStore } from '../store/fixture.ts'

const now = new Date('2026-06-01T12:00:00.900Z')
const second = Math.floor(now.getTime() / 1000)
const [hour, day] = [3600, 86_400]
const example = TrustDomain.parse('example.org')
const write = factWriter({
  trustDomain: example,
  clock: { now: () => now },
  proofSeconds: day,
})

test('a fact counts from its second, and ends when the last token or SVID that it can hit has', async () => {
  await using store = await tempStore()
  await store.write((tx) => putAuthority(tx, authorityOf('oauth')))
  await store.write((tx) =>
    write(tx, [
      { kind: 'token', id: 'a', endsAt: new Date((second + 50) * 1000 + 1) },
      { kind: 'transaction', id: 'b' },
      { kind: 'audience', id: 'c' },
      { kind: 'trust-domain', id: 'd' },
      { kind: 'spiffe-id', id: 'spiffe://example.org/e' },
      { kind: 'spiffe-id', id: 'spiffe://partner.example/e' },
      { kind: 'entry', id: 'f' },
      { kind: 'owner', id: 'h' },
      { kind: 'node', id: 'i' },
      { kind: 'integration', id: 'j' },
    ]),
  )
  const { facts } = await factsAfter(store.db, 0, 100)
  // A verifier's clock may be a minute behind.
  const left = facts.map(({ id, notBefore, endsAt }) => [id, notBefore, endsAt - 60 - second])
  expect(left).toEqual([
    ['a', 0, 51],
    ['b', 0, hour],
    ['c', second, hour],
    ['d', second, hour],
    ['spiffe://example.org/e', second, day],
    ['spiffe://partner.example/e', second, 31 * day],
    ['f', second, day],
    // What shuts an integration is there for a broker that was away for a month.
    ['h', second, 31 * day],
    ['i', second, day],
    ['j', second, 31 * day],
  ])
})

test('whoever has a key says what he likes in iat: what it signs is dead to the end', async () => {
  await using store = await tempStore()
  await store.write((tx) => putAuthority(tx, authorityOf('oauth')))
  await store.write((tx) => write(tx, [{ kind: 'key', id: 'k' }]))
  const { facts } = await factsAfter(store.db, 0, 100)
  expect(facts).toMatchObject([{ notBefore: second + hour + 60, endsAt: second + hour + 60 }])
})

test('what is told outside is each fact with its number, but those of canaries', async () => {
  await using store = await tempStore()
  await store.write((tx) => putAuthority(tx, authorityOf('oauth')))
  const heard: unknown[] = []
  const telling = factWriter({
    ...{ trustDomain: example, clock: { now: () => now }, proofSeconds: day },
    told: async (_, facts) => void heard.push(...facts.map(({ number, id }) => [number, id])),
  })
  const last = await store.write((tx) =>
    telling(tx, [
      { kind: 'token', id: 'a' },
      { kind: 'token', id: 'of a canary', canary: true },
      { kind: 'token', id: 'b' },
    ]),
  )
  expect(heard).toEqual([
    [last - 2, 'a'],
    [last, 'b'],
  ])
})

test('without a key for access tokens nothing is written', async () => {
  await using store = await tempStore()
  expect(await store.write((tx) => write(tx, [{ kind: 'owner', id: 'x' }]))).toBe(0)
  expect((await factsAfter(store.db, 0, 100)).facts).toEqual([])
})
