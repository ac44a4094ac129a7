import { spawnSync } from 'node:child_process'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { sql } from 'kysely'
import { describe, expect, onTestFinished, test } from 'vitest'
import { insertEntries, loadEntries } from '../../../../server/store/entries.ts'
import { openSqlite } from '../../../../server/store/sqlite.ts'
import type { Store } from '../../../../server/store/store.ts'
import { anEntry, rejection, tempFolder, tempStore } from './fixture.ts'

const filler = 'x'.repeat(4000)

/** Writes until the store refuses; resolves with the ids that were acknowledged, and the refusal. */
async function writeUntilFull(store: Store): Promise<{ acknowledged: string[]; error: unknown }> {
  const acknowledged: string[] = []
  for (let i = 0; i < 2000; i += 1) {
    const entry = anEntry(`${i}`, { purpose: filler })
    try {
      await store.write((tx) => insertEntries(tx, [entry]))
    } catch (error) {
      return { acknowledged, error }
    }
    acknowledged.push(entry.id)
  }
  throw new Error('the disk did not fill')
}

async function idsIn(store: Store): Promise<string[]> {
  return (await loadEntries(store.db)).map((entry) => entry.id)
}

const refusal = { code: 'unavailable', reason: 'store-unwritable' }

describe('F14 a full disk', () => {
  test('a store that may not grow refuses writes, keeps what it acknowledged, and works again with space', async () => {
    const store = await tempStore()
    await store.write((tx) => sql`pragma max_page_count = 60`.execute(tx.db))
    const { acknowledged, error } = await writeUntilFull(store)
    expect(error).toMatchObject(refusal)
    expect(acknowledged.length).toBeGreaterThan(10)
    expect(await idsIn(store)).toEqual(acknowledged)
    expect(
      await rejection(store.write((tx) => insertEntries(tx, [anEntry('a', { hint: filler })]))),
    ).toMatchObject(refusal)

    await store.write((tx) => sql`pragma max_page_count = 100000`.execute(tx.db))
    await store.probe()
    await store.write((tx) => insertEntries(tx, [anEntry('b', { hint: filler })]))
    expect(await idsIn(store)).toEqual([...acknowledged, 'entry-b'])
  })

  test('a job that hides the failure from the store cannot commit a part of its work', async () => {
    const store = await tempStore()
    await store.write((tx) => sql`pragma max_page_count = 60`.execute(tx.db))
    const error = await rejection(
      store.write(async (tx) => {
        for (let i = 0; i < 100; i += 1) {
          await insertEntries(tx, [anEntry(`${i}`, { hint: filler })]).catch(() => {})
          // What SQLite does by itself on some failures.
          if (i === 50) await sql`rollback`.execute(tx.db)
        }
      }),
    )
    expect(error).toMatchObject(refusal)
    expect(await idsIn(store)).toEqual([])
  })

  test('on a file system without space: unwritable, unready, and neither once there is space', async (context) => {
    const folder = tempFolder()
    const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=3m,mode=700', 'none', folder])
    if (mounted.status !== 0) {
      context.skip('mounting a small tmpfs needs root: the full disk itself is not tested here')
    }
    onTestFinished(() => void spawnSync('umount', ['-l', folder]))
    const ballast = join(folder, 'ballast')
    writeFileSync(ballast, Buffer.alloc(1 << 20))
    const store = await tempStore({ connect: () => openSqlite(join(folder, 'data.sqlite')) })
    const { acknowledged, error } = await writeUntilFull(store)
    expect(error).toMatchObject(refusal)
    expect(acknowledged.length).toBeGreaterThan(10)
    expect(await idsIn(store)).toEqual(acknowledged)

    rmSync(ballast)
    await store.probe()
    await store.write((tx) => insertEntries(tx, [anEntry('after', { purpose: filler })]))
    expect(await idsIn(store)).toEqual([...acknowledged, 'entry-after'])
    const check = await sql<{ integrity_check: string }>`pragma integrity_check`.execute(store.db)
    expect(check.rows).toEqual([{ integrity_check: 'ok' }])
  })
})
