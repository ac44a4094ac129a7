import { chmodSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { sql } from 'kysely'
import { expect, test } from 'vitest'
import { isExchanged } from '../../../../server/store/migrate-issued-tokens.ts'
import { openSqlite } from '../../../../server/store/sqlite.ts'
import { openStore } from '../../../../server/store/store.ts'
import { rejection, storeOptions, tempFolder, tempStore } from './fixture.ts'

test('a file that is no database is refused', async () => {
  const path = join(tempFolder(), 'data.sqlite')
  writeFileSync(path, 'not a database, but long enough to be looked at'.repeat(100), {
    mode: 0o600,
  })
  expect(
    await rejection(openStore({ ...storeOptions, connect: () => openSqlite(path) })),
  ).toMatchObject({
    reason: 'store-corrupt',
  })
})

test('files are made 0600 in a folder of 0700, whatever the umask', async () => {
  const path = join(tempFolder(), 'new', 'data.sqlite')
  const umask = process.umask(0)
  try {
    const store = await tempStore({ connect: () => openSqlite(path) })
    await store.probe()
    const modes = ['', '-wal', '-shm'].map((end) => statSync(path + end).mode & 0o777)
    expect(modes).toEqual([0o600, 0o600, 0o600])
    expect(statSync(join(path, '..')).mode & 0o777).toBe(0o700)
  } finally {
    process.umask(umask)
  }
})

test.each([
  ['the folder', 'data-mode', (folder: string) => chmodSync(folder, 0o750)],
  ['the file', 'store-mode', (_: string, path: string) => writeFileSync(path, '', { mode: 0o640 })],
])('T22 where others may look into %s, it is refused', async (_, reason, loosen) => {
  const folder = join(tempFolder(), 'data')
  mkdirSync(folder, { mode: 0o700 })
  const path = join(folder, 'data.sqlite')
  loosen(folder, path)
  expect(
    await rejection(openStore({ ...storeOptions, connect: () => openSqlite(path) })),
  ).toMatchObject({ reason })
})

test('what is committed is synced to the disk', async () => {
  const store = await tempStore()
  const mode = await store.write((tx) => sql`pragma synchronous`.execute(tx.db))
  expect(mode.rows).toEqual([{ synchronous: 2 }])
  const journal = await sql`pragma journal_mode`.execute(store.db)
  expect(journal.rows).toEqual([{ journal_mode: 'wal' }])
})

test('a store that was closed leaves one file', async () => {
  const path = join(tempFolder(), 'data.sqlite')
  {
    await using store = await openStore({ ...storeOptions, connect: () => openSqlite(path) })
    await store.probe()
  }
  expect(readdirSync(join(path, '..'))).toEqual(['data.sqlite'])
})

test('access tokens that were exchanged are found without a look at all the others', async () => {
  const { db } = await tempStore()
  const plan = await sql<{ readonly detail: string }>`explain query plan
    select * from issued_grants where expires_at > ${0} and ${isExchanged} and id >= ${''}
    order by id limit ${101}`.execute(db)
  expect(plan.rows.map(({ detail }) => detail)).toEqual([
    'SEARCH issued_grants USING INDEX issued_grants_exchanged (id>?)',
  ])
})
