import { expect, test } from 'vitest'
import { deleteLegacyUse, legacyUse, putLegacyUse } from '../../../../server/store/legacy-use.ts'
import { tempStore } from './fixture.ts'

const at = (seconds: number) => new Date(Date.UTC(2026, 5, 1) + seconds * 1000)

test('the last use of each is remembered, whichever server writes last, until it is forgotten', async () => {
  await using store = await tempStore()
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
  await store.write((tx) => deleteLegacyUse(tx, ['a']))
  expect([...(await legacyUse(store.db, ['a', 'b'])).keys()]).toEqual(['b'])
  expect(await legacyUse(store.db, [])).toEqual(new Map())
})
