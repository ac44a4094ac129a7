import { expect, test } from 'vitest'
import { deleteEntries, insertEntries } from '../../../../server/store/entries.ts'
import { legacyUse, putLegacyUse } from '../../../../server/store/legacy-use.ts'
import { anEntry, tempStore } from './fixture.ts'

const at = (seconds: number) => new Date(Date.UTC(2026, 5, 1) + seconds * 1000)

test('the last use of each is remembered, whichever server writes last, until its entry is deleted', async () => {
  await using store = await tempStore()
  await store.write((tx) =>
    insertEntries(
      tx,
      ['a', 'b', 'c'].map((id) => anEntry(id, { id })),
    ),
  )
  const put = (...used: readonly (readonly [string, Date])[]) =>
    store.write((tx) => putLegacyUse(tx, new Map(used)))
  await put(['a', at(5)], ['b', at(1)])
  await put(['a', at(3)], ['b', at(2)])
  expect(await legacyUse(store.db, ['a', 'b', 'c'])).toEqual(
    new Map([
      ['a', at(5)],
      ['b', at(2)],
    ]),
  )
  await store.write((tx) => deleteEntries(tx, ['a', 'd']))
  expect([...(await legacyUse(store.db, ['a', 'b'])).keys()]).toEqual(['b'])
  // By a server that has not written it down before.
  await put(['a', at(6)], ['c', at(6)])
  expect([...(await legacyUse(store.db, ['a', 'b', 'c'])).keys()].sort()).toEqual(['b', 'c'])
  expect(await legacyUse(store.db, [])).toEqual(new Map())
})
