import { expect, test } from 'vitest'
import type { Connections } from '../../../../server/store/connections.ts'
import { insertEntries } from '../../../../server/store/entries.ts'
import { createRowSeal, type RefusedRow } from '../../../../server/store/row-seal.ts'
import { openStore } from '../../../../server/store/store.ts'
import {
  anEntry,
  rejection,
  storeOptions,
  type TestDatabase,
  tempDatabase,
  tempStore,
} from './fixture.ts'

const many = 9000

async function filled(): Promise<TestDatabase> {
  const database = await tempDatabase()
  await using store = await openStore({ ...storeOptions, connect: database.connect })
  await store.write((tx) =>
    insertEntries(
      tx,
      Array.from({ length: many }, (_, at) => anEntry(`${at}`)),
    ),
  )
  return database
}

type ReadBeside = NonNullable<Connections['readBeside']>

/** The ids of all entries, read as a start reads them; and the bodies that came from the other thread. */
async function readAll(
  database: TestDatabase,
  change: (readBeside: ReadBeside) => ReadBeside = (same) => same,
) {
  const told: RefusedRow[] = []
  let fromThread = 0
  const store = await tempStore({
    onRefused: (row) => told.push(row),
    connect() {
      const connections = database.connect()
      const { readBeside } = connections
      if (readBeside === undefined) throw new Error('there is no other thread')
      const changed = change(readBeside)
      const counted: ReadBeside = (...about) => {
        const { pages, stop } = changed(...about)
        const counting = async function* () {
          for (let page = await pages.next(); page.done !== true; page = await pages.next()) {
            fromThread += page.value.bodies.length
            yield page.value
          }
        }
        return { pages: counting(), stop }
      }
      return { ...connections, readBeside: counted }
    },
  })
  const { position, pages } = await store.readEntries()
  const ids: string[] = []
  for await (const page of pages) ids.push(...page.map(({ id }) => id))
  return { position, ids, told, fromThread, refused: store.refusedRows() }
}

const all = Array.from({ length: many }, (_, at) => `entry-${at}`)

test('many entries are read in a thread of its own', async () => {
  const { ids, position, fromThread } = await readAll(await filled())
  expect(new Set(ids)).toEqual(new Set(all))
  expect(ids).toHaveLength(many)
  expect(position).toBe(many)
  expect(fromThread).toBe(many)
})

test('a row that somebody else has written is refused there too, told of and counted once', async () => {
  const database = await filled()
  await database.execute(
    `update entries set body = replace(body, 'example.org/77', 'example.org/root') where id = 'entry-77'`,
  )
  const { ids, told, fromThread, refused } = await readAll(database)
  expect(new Set(ids)).toEqual(new Set(all.filter((id) => id !== 'entry-77')))
  expect(told).toEqual([{ table: 'entries', id: 'entry-77' }])
  expect(refused).toBe(1)
  expect(fromThread).toBe(many - 1)
})

test('what a thread that fails leaves undone is read all the same, once', async () => {
  const { ids, fromThread } = await readAll(await filled(), (readBeside) => (...about) => {
    const { pages, stop } = readBeside(...about)
    const failing = async function* () {
      const first = await pages.next()
      if (first.done !== true) yield first.value
      await stop()
      throw new Error('no memory')
    }
    return { pages: failing(), stop }
  })
  expect(fromThread).toBeGreaterThan(0)
  expect(fromThread).toBeLessThan(many)
  expect(ids).toHaveLength(many)
  expect(new Set(ids)).toEqual(new Set(all))
})

test('where no thread can be had, all is read without one', async () => {
  const { ids, fromThread } = await readAll(await filled(), () => () => {
    throw new Error('ERR_WORKER_INIT_FAILED')
  })
  expect(fromThread).toBe(0)
  expect(ids).toHaveLength(many)
})

test('a body that is ours and cannot be read fails the start, whoever has read it', async () => {
  const database = await filled()
  {
    await using store = await openStore({ ...storeOptions, connect: database.connect })
    const mac = createRowSeal(storeOptions.sealKey, () => {}).mac('entries', 'entry-5', '{')
    await store.write((tx) =>
      tx.db.updateTable('entries').set({ body: '{', mac }).where('id', '=', 'entry-5').execute(),
    )
  }
  expect(await rejection(readAll(database))).toMatchObject({ reason: 'store-corrupt' })
})
