import { expect, test } from 'vitest'
import { readChanges } from '../../../../server/store/changes.ts'
import { addPolicySet, lastPolicySet, policySets } from '../../../../server/store/policy-sets.ts'
import { policyRevision } from '../../../../src/policy/policy-set.ts'
import { tempDatabase, tempStore } from './fixture.ts'

const appliedAt = new Date('2026-06-01T12:00:00Z')

function aSet(text: string) {
  const files = [{ name: 'a.cedar', text }]
  return { revision: policyRevision(files), files, appliedAt, appliedBy: 'local uid 0' }
}

test('sets are versions, each told of by the change log; the same one again is none', async () => {
  await using store = await tempStore()
  expect(await lastPolicySet(store.db)).toBeUndefined()
  for (const [text, version] of [
    ['one', 1],
    ['two', 2],
    ['two', 2],
    ['one', 3],
  ] as const) {
    const added = await store.write((tx) => addPolicySet(tx, aSet(text)))
    expect(added).toEqual({ version, ...aSet(text) })
    expect(await lastPolicySet(store.db)).toEqual(added)
  }
  const changes = await readChanges(store.db, 0, 10)
  expect(changes.map(({ kind, ref }) => [kind, ref])).toEqual(
    ['one', 'two', 'one'].map((text) => ['policy', aSet(text).revision]),
  )
  expect((await policySets(store.db, { limit: 9 })).map(({ version }) => version)).toEqual([
    3, 2, 1,
  ])
  expect(await policySets(store.db, { version: 2, limit: 1 })).toEqual([
    { version: 2, ...aSet('two') },
  ])
})

test('two servers that write at once write two versions, and a hundred are kept', async () => {
  const { connect } = await tempDatabase()
  await using first = await tempStore({ connect })
  await using second = await tempStore({ connect })
  const texts = Array.from({ length: 102 }, (_, n) => `${n}`)
  await Promise.all(
    texts.map((text, n) => [first, second][n % 2]?.write((tx) => addPolicySet(tx, aSet(text)))),
  )
  const kept = await policySets(first.db, { limit: 1000 })
  expect(kept.map(({ version }) => version)).toEqual(Array.from({ length: 100 }, (_, n) => 102 - n))
})

test('T10 a set that somebody wrote into the database is no set', async () => {
  const database = await tempDatabase()
  await using store = await tempStore({ connect: database.connect })
  await store.write((tx) => addPolicySet(tx, aSet('forbid')))
  await database.execute(`update policy_sets set body = replace(body, 'forbid', 'permit')`)
  expect(await lastPolicySet(store.db)).toBeUndefined()
  expect(store.refusedRows()).toBe(1)
  expect((await store.write((tx) => addPolicySet(tx, aSet('forbid')))).version).toBe(2)
})
