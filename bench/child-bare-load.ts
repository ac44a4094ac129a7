// What a start with many entries cannot be had without: Node's own start, every row read, its JSON parsed
// and held by id. Argument: { path }, a server's data file.
import SqliteDatabase from 'better-sqlite3'
import { argument, say } from './support/child.ts'

const { path } = argument<{ readonly path: string }>()
const database = new SqliteDatabase(path, { readonly: true })
const rows = database.prepare<[], string>('SELECT body FROM entries').pluck().iterate()
const entries = new Map<string, unknown>()
for (const body of rows) {
  const entry = JSON.parse(body) as { readonly id: string }
  entries.set(entry.id, entry)
}
say({ entries: entries.size, readyMs: performance.now() })
process.stdin.resume()
