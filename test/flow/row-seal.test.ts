import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import SqliteDatabase from 'better-sqlite3'
import { expect, onTestFinished, test } from 'vitest'
import { SpiffeId } from '../../src/spiffe-id/spiffe-id.ts'
import { startServer, trustDomain, wireEntry } from '../support/running-server.ts'

const service = 'spire.api.server.entry.v1.Entry'

test('an entry that was written into the database is not served, and put on record', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'cs-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const first = await startServer({ folder })
  const parent = SpiffeId.of(trustDomain, '/node')
  const { results } = await first.admin(service).unary('BatchCreateEntry', {
    entries: ['/a', '/b'].map((path) => wireEntry({ path, parent, selectors: ['unix:uid:1000'] })),
  })
  const [a, b] = results.map(({ entry }) => entry?.id ?? '')
  await first.stop()

  const database = new SqliteDatabase(join(folder, 'server', 'store.sqlite'))
  database
    .prepare(
      `update entries set body = replace(body, '"revision":0', '"revision":0,"admin":true') where id = ?`,
    )
    .run(a)
  database.close()

  const second = await startServer({ folder })
  const { entries } = await second.admin(service).unary('ListEntries', {})
  expect(entries.map(({ id }) => id)).toEqual([b])
  await second.admin(service).unary('BatchDeleteEntry', { ids: [a ?? ''] })
  await second.stop()
  const records = readFileSync(join(folder, 'server', 'audit.log'), 'utf8')
  expect(records).toContain(`"kind":"store.row.refused"`)
  expect(records.split('"store.row.refused"')[1]).toContain(`"table":"entries","id":"${a}"`)

  const third = await startServer({ folder })
  await third.stop()
  const refusals = readFileSync(join(folder, 'server', 'audit.log'), 'utf8').split(
    'store.row.refused',
  )
  expect(refusals).toHaveLength(2)
})
