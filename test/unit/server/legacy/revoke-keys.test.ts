import { expect, test } from 'vitest'
import { revokeKeys } from '../../../../server/legacy/revoke-keys.ts'
import { insertEntries } from '../../../../server/store/entries.ts'
import { putRevokedKeys, revokedKeys } from '../../../../server/store/revoked-keys.ts'
import { entryOf, idOf } from '../entry/samples.ts'
import { tempStore } from '../store/fixture.ts'

const at = new Date('2026-06-01T12:00:00Z')
const till = (name: string, owner: string) =>
  entryOf({ id: `legacy.${name}`, spiffeId: idOf(`/legacy/${name}`), owner })

test('what is revoked has no static key any more, whatever has named it, and no other loses his', async () => {
  const ids = ['legacy.a', 'legacy.b', 'legacy.c', 'web', 'legacy_d']
  for (const [filter, found] of [
    [{ id: 'legacy.a' }, ['legacy.a']],
    [{ spiffeId: idOf('/legacy/b') }, ['legacy.b']],
    [{ owner: 'shops' }, ['legacy.a', 'legacy.b']],
    [{ owner: 'nobody' }, []],
  ] as const) {
    await using store = await tempStore()
    // Of a server that has not read yet whom another one has added: no index is asked.
    await store.write((tx) =>
      insertEntries(tx, [
        ...[till('a', 'shops'), till('b', 'shops'), till('c', 'others')],
        // None of the two has a static key.
        ...['web', 'legacy_d'].map((id) =>
          entryOf({ id, spiffeId: idOf(`/${id}`), owner: 'shops' }),
        ),
      ]),
    )
    await store.write((tx) => revokeKeys(tx, filter, at))
    expect([...(await revokedKeys(store.db, ids)).keys()].sort()).toEqual(found)
  }
})

test('a key that was revoked is so from the first time on, and for any number of them', async () => {
  await using store = await tempStore()
  const ids = Array.from({ length: 300 }, (_, n) => `legacy.${n}`)
  await store.write((tx) => putRevokedKeys(tx, ids, at))
  await store.write((tx) => putRevokedKeys(tx, ids, new Date(0)))
  const revoked = await revokedKeys(store.db, ids)
  expect([revoked.size, new Set([...revoked.values()].map(Number))]).toEqual([300, new Set([+at])])
  expect(await revokedKeys(store.db, [])).toEqual(new Map())
})
