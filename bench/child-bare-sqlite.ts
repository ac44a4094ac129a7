// What registering entries cannot be had without: one row and one change row each, one durable
// transaction a batch. Argument: { folder, batch }. The line is a number of batches; the answer says how
// long they took. The same behind BatchCreateEntry on a Unix socket: each entry read from its message,
// written as JSON, put on record with one fsync a batch, and answered.
import { randomUUID } from 'node:crypto'
import { closeSync, fdatasyncSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { Server, ServerCredentials, type sendUnaryData } from '@grpc/grpc-js'
import SqliteDatabase from 'better-sqlite3'
import { serviceDefinition } from '../src/rpc/services.ts'
import { argument, onLine, say } from './support/child.ts'

const { folder, batch } = argument<{ readonly folder: string; readonly batch: number }>()
const database = new SqliteDatabase(join(folder, 'bare.sqlite'))
database.pragma('journal_mode = WAL')
database.pragma('synchronous = FULL')
database.exec(`
  CREATE TABLE entries (row INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, natural_key TEXT NOT NULL UNIQUE,
    expires_at BIGINT, revision BIGINT NOT NULL, body TEXT NOT NULL);
  CREATE TABLE changes (number INTEGER PRIMARY KEY, kind TEXT NOT NULL, ref TEXT NOT NULL);
`)
const insertEntry = database.prepare(
  'INSERT INTO entries (id, natural_key, expires_at, revision, body) VALUES (?, ?, NULL, 0, ?)',
)
const insertChange = database.prepare('INSERT INTO changes (kind, ref) VALUES (?, ?)')
// As much text as an entry of the other side comes to.
const body = 'x'.repeat(330)
const insertBatch = database.transaction((bodies: readonly (readonly [string, string])[]) => {
  for (const [id, text] of bodies) {
    insertEntry.run(id, `${id}-key`, text)
    insertChange.run('entry', id)
  }
})

const trail = openSync(join(folder, 'bare.log'), 'a')
process.once('exit', () => closeSync(trail))
const socket = join(folder, 'bare.sock')
const server = new Server({ 'grpc.enable_channelz': 0 })
server.addService(serviceDefinition('spire.api.server.entry.v1.Entry') as never, {
  BatchCreateEntry(
    { request }: { readonly request: { readonly entries: readonly object[] } },
    answer: sendUnaryData<object>,
  ) {
    const entries = request.entries.map((entry) => ({ ...entry, id: randomUUID() }))
    const texts = entries.map((entry) => [entry.id, JSON.stringify(entry)] as const)
    writeSync(trail, texts.map(([, text]) => `${text}\n`).join(''))
    fdatasyncSync(trail)
    insertBatch(texts)
    answer(null, { results: entries.map((entry) => ({ status: { code: 0 }, entry })) })
  },
})
server.bindAsync(`unix:${socket}`, ServerCredentials.createInsecure(), () => say({ socket }))
onLine((line) => {
  const startMs = performance.now()
  for (let left = Number(line); left > 0; left--) {
    insertBatch(Array.from({ length: batch }, () => [randomUUID(), body] as const))
  }
  say({ elapsedMs: performance.now() - startMs })
})
