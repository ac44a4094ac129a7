import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import SqliteDatabase from 'better-sqlite3'
import { onTestFinished } from 'vitest'
import type { Connections } from '../../../../server/store/connections.ts'
import { IssuedBatch } from '../../../../server/store/issued-batch.ts'
import { addIssuedGrants, type IssuedToken } from '../../../../server/store/issued-tokens.ts'
import type { AgentRecord } from '../../../../server/store/records.ts'
import { openSqlite } from '../../../../server/store/sqlite.ts'
import { openStore, type Store, type StoreOptions } from '../../../../server/store/store.ts'
import type { Entry } from '../../../../src/entry/entry.ts'
import { systemClock } from '../../../../src/runtime/clock.ts'
import { silentLog } from '../../../../src/runtime/log.ts'
import { SpiffeId, TrustDomain } from '../../../../src/spiffe-id/spiffe-id.ts'

export const trustDomain: TrustDomain = TrustDomain.parse('example.org')

/** What rows are sealed with. */
export const sealKey: Buffer = Buffer.alloc(32, 7)

/** A folder that is gone after the test. */
export function tempFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-store-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** A database for a test's stores, gone after the test. */
export interface TestDatabase {
  readonly connect: () => Connections
  /** What somebody does who can write to it and has no key. */
  execute(statement: string): Promise<void>
  /** The operator says that rows without a MAC may get one. */
  consent(): void
}

let makeDatabase: () => TestDatabase | Promise<TestDatabase> = () => {
  const path = join(tempFolder(), 'data.sqlite')
  return {
    connect: () => openSqlite(path),
    async execute(statement) {
      const database = new SqliteDatabase(path)
      database.exec(statement)
      database.close()
    },
    consent: () => writeFileSync(join(path, '..', 'seal-existing-rows'), ''),
  }
}

/** From now on the tests of this process have databases of another kind than SQLite's. */
export function useDatabases(make: () => Promise<TestDatabase>): void {
  makeDatabase = make
}

export async function tempDatabase(): Promise<TestDatabase> {
  return makeDatabase()
}

/** What a store is opened with, but for its database. */
export const storeOptions: Omit<StoreOptions, 'connect'> = {
  trustDomain,
  sealKey,
  log: silentLog,
  clock: systemClock,
}

/** A store in a database of its own or a given one, closed after the test. */
export async function tempStore(options: Partial<StoreOptions> = {}): Promise<Store> {
  const connect = options.connect ?? (await tempDatabase()).connect
  const store = await openStore({ ...storeOptions, ...options, connect })
  onTestFinished(() => store[Symbol.asyncDispose]())
  return store
}

export function anEntry(name: string, changed: Partial<Entry> = {}): Entry {
  return {
    id: `entry-${name}`,
    spiffeId: SpiffeId.of(trustDomain, `/${name}`),
    parentId: SpiffeId.of(trustDomain, '/node'),
    selectors: [{ type: 'unix', value: 'uid:1000' }],
    x509SvidTtlSeconds: 0,
    jwtSvidTtlSeconds: 0,
    federatesWith: [],
    admin: false,
    downstream: false,
    expiresAt: undefined,
    disabledAt: undefined,
    dnsNames: [],
    revision: 0,
    storeSvid: false,
    hint: '',
    createdAt: new Date('2026-06-01T12:00:00.123Z'),
    disableX509SvidPrefetch: false,
    jwtSvidIncludeJti: false,
    jwtSvidSingleUse: false,
    owner: '',
    purpose: '',
    labels: {},
    ...changed,
  }
}

export function anAgent(name: string, changed: Partial<AgentRecord> = {}): AgentRecord {
  return {
    id: SpiffeId.of(trustDomain, `/spire/agent/join_token/${name}`),
    attestationType: 'join_token',
    selectors: [{ type: 'join_token', value: name }],
    serial: '0a1b',
    expiresAt: new Date('2026-06-01T13:00:00.001Z'),
    pendingSerial: '',
    pendingExpiresAt: undefined,
    banned: false,
    canReattest: false,
    version: '0.1.0',
    attestedAt: new Date('2026-06-01T12:00:00Z'),
    ...changed,
  }
}

/** Writes tokens as they are written that were issued side by side. */
export async function addTokens(store: Store, tokens: readonly IssuedToken[]): Promise<void> {
  const batch = new IssuedBatch()
  for (const token of tokens) batch.add(token)
  await store.write((tx) => addIssuedGrants(tx, batch.close()))
}

/** What the promise is rejected with; the test fails where it is not. */
export async function rejection(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise
  } catch (error) {
    return error
  }
  throw new Error('the promise was not rejected')
}
