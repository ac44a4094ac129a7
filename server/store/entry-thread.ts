// A thread beside the server's own: it reads a SQLite file's entries in the order of their rows, and
// looks at their MACs, while the server's thread takes those before them into its index.
import { parentPort, workerData } from 'node:worker_threads'
import SqliteDatabase from 'better-sqlite3'
import type { CheckedPage } from './entry-pages.ts'
import type { SealedRow } from './open-rows.ts'
import { createRowSeal } from './row-seal.ts'
import type { EntryThreadData } from './sqlite-thread.ts'

const { path, sql, pageSize, sealKey, ahead, taken } = workerData as EntryThreadData
const seal = createRowSeal(Buffer.from(sealKey), () => {})

const database = new SqliteDatabase(path, { readonly: true })
database.pragma('trusted_schema = OFF')
database.pragma('cell_size_check = ON')
const select = database.prepare<unknown[], [number, string, string, string]>(sql).raw()

function readPage(after: number): CheckedPage {
  const bodies: string[] = []
  const doubted: SealedRow[] = []
  let last = after
  for (const [row, id, body, mac] of select.all(after, pageSize)) {
    last = row
    if (mac === seal.mac('entries', id, body)) bodies.push(body)
    else doubted.push({ id, body, mac })
  }
  return { bodies, doubted, last }
}

let page = readPage(0)
for (let sent = 1; page.bodies.length + page.doubted.length > 0; sent += 1) {
  parentPort?.postMessage(page)
  page = readPage(page.last)
  for (let has = Atomics.load(taken, 0); sent - has >= ahead; has = Atomics.load(taken, 0)) {
    Atomics.wait(taken, 0, has)
  }
}
database.close()
