import { type Kysely, sql } from 'kysely'
import { afterAll, describe, expect, onTestFinished, test } from 'vitest'
import { lastChange, readChanges } from '../../../../server/store/changes.ts'
import { consumeJoinToken, createJoinToken } from '../../../../server/store/join-tokens.ts'
import { attachSeal, createRowSeal } from '../../../../server/store/row-seal.ts'
import type { Schema } from '../../../../server/store/schema.ts'
import { putSetting } from '../../../../server/store/settings.ts'
import { openStore, type WriteTx } from '../../../../server/store/store.ts'
import { useToken } from '../../../../server/store/used-tokens.ts'
import {
  type PostgresDatabase,
  type RunningPostgres,
  startPostgres,
} from '../../../support/postgres.ts'
import { openPostgres } from '../../../support/postgres-connections.ts'
import {
  anAgent,
  rejection,
  sealKey,
  storeOptions,
  type TestDatabase,
  tempDatabase,
  tempStore,
  useDatabases,
} from './fixture.ts'

const postgres = await startPostgres()
afterAll(() => postgres?.[Symbol.asyncDispose]())

const tables = [
  ...['settings', 'changes', 'entries', 'agents', 'bundles', 'authorities', 'join_tokens'],
  ...['audit_records', 'federation_relationships', 'used_tokens', 'issued_grants'],
  ...['revocation_facts', 'policy_sets', 'legacy_use', 'revoked_keys', 'event_outbox'],
]
/** A store finds its tables then, and nothing in them: to make them anew takes a quarter of a second. */
const emptyTables = [
  ...tables.map((table) => `delete from ${table}`),
  'update change_counter set number = 0',
  `delete from kysely_migration where name > '9'`,
].join(';')

async function postgresDatabase(
  server: RunningPostgres,
): Promise<TestDatabase & Pick<PostgresDatabase, 'at'>> {
  const { at, execute, giveBack } = await server.takeDatabase()
  // Runs after what closes the test's stores: the last one that was asked for is the first.
  onTestFinished(async () => {
    await execute(emptyTables)
    giveBack()
  })
  let consented = false
  const takeConsent = (): boolean => {
    const said = consented
    consented = false
    return said
  }
  return {
    at,
    connect: () => openPostgres(at, takeConsent),
    execute,
    consent() {
      consented = true
    },
  }
}

const token = {
  hash: 'ab'.repeat(32),
  agentId: anAgent('a').id,
  expiresAt: new Date('2026-06-01T12:10:00Z'),
}
const now = new Date('2026-06-01T12:00:00Z')

if (postgres === undefined) {
  test('the store on PostgreSQL', (context) => context.skip('this machine has no PostgreSQL'))
} else {
  useDatabases(() => postgresDatabase(postgres))
  describe('on PostgreSQL', () => onPostgres(postgres))
}

async function onPostgres(postgres: RunningPostgres): Promise<void> {
  // The same tests that SQLite passes: there is one code path.
  await import('./store.test.ts')
  await import('./entries.test.ts')
  await import('./records.test.ts')
  await import('./issued-tokens.test.ts')
  await import('./changes.test.ts')
  await import('../changes/changes.test.ts')
  await import('./row-seal.test.ts')
  await import('./revocation-facts.test.ts')
  await import('../revocation/two-servers.test.ts')
  await import('./policy-sets.test.ts')
  await import('../policy/store-source.test.ts')
  await import('./legacy-use.test.ts')
  await import('../legacy/revoke-keys.test.ts')
  await import('./migrate-revoked-keys.test.ts')
  await import('./event-outbox.test.ts')
  await import('../entry/disable.test.ts')

  test('servers that open an empty database at once make one of it', async () => {
    const { connect, execute } = await tempDatabase()
    await execute('drop schema public cascade; create schema public')
    const stores = await Promise.all(Array.from({ length: 4 }, () => tempStore({ connect })))
    expect(new Set(stores.map(({ logId }) => logId)).size).toBe(1)
  })

  test('of fifty who race for a token on five servers exactly one gets it', async () => {
    const { connect } = await tempDatabase()
    const stores = await Promise.all(Array.from({ length: 5 }, () => tempStore({ connect })))
    await stores[0]?.write((tx) => createJoinToken(tx, token))
    const got = await Promise.all(
      stores.flatMap((store) =>
        Array.from({ length: 10 }, () =>
          store.write((tx) => consumeJoinToken(tx, token.hash, now)),
        ),
      ),
    )
    expect(got.filter((record) => record !== undefined)).toStrictEqual([token])
  })

  test('of fifty transactions side by side, with no lock but the row’s, one takes the token', async () => {
    const { at, connect } = await postgresDatabase(postgres)
    const store = await tempStore({ connect })
    await store.write((tx) => createJoinToken(tx, token))
    const side = Array.from({ length: 10 }, () => openPostgres(at))
    const take = (tx: WriteTx) => consumeJoinToken(tx, token.hash, now)
    const got = await Promise.all(side.map(({ writer }) => inTransactions(writer, 5, take)))
    expect(got.flat().filter((record) => record !== undefined)).toStrictEqual([token])
    await Promise.all(side.map((connections) => connections.close()))
  })

  test('T30 of fifty transactions side by side one uses up what is good once', async () => {
    const { at, connect } = await postgresDatabase(postgres)
    await tempStore({ connect })
    const once = { issuer: 'https://ci.example', jti: 'a', expiresAt: token.expiresAt }
    const side = Array.from({ length: 10 }, () => openPostgres(at))
    const use = (tx: WriteTx) => useToken(tx, once, now)
    const heard = await Promise.all(side.map(({ writer }) => inTransactions(writer, 5, use)))
    expect(heard.flat().filter((unused) => unused)).toHaveLength(1)
    await Promise.all(side.map((connections) => connections.close()))
  })

  test('numbers are in the order of commits: no reader sees a gap, whoever writes at once', async () => {
    const { connect } = await tempDatabase()
    const stores = await Promise.all(Array.from({ length: 4 }, () => tempStore({ connect })))
    const reader = await tempStore({ connect })
    let writing = true
    const seen: number[] = []
    const reading = (async () => {
      while (writing || seen.length < (await lastChange(reader.db))) {
        const lines = await readChanges(reader.db, seen.at(-1) ?? 0, 1000)
        seen.push(...lines.map(({ number }) => number))
      }
    })()
    const told = await Promise.all(
      stores.flatMap((store, at) =>
        Array.from({ length: 60 }, async (_, i) => {
          // Groups of many sizes, begun at many moments.
          for (let turn = 0; turn < i % 7; turn += 1) await new Promise((go) => setImmediate(go))
          return store
            .write(async (tx) => {
              const last = await tx.change('entry', [`${at}-${i}`, `${at}-${i}+`])
              if (i % 9 === 0) throw new Error('undone')
              return last
            })
            .catch(() => undefined)
        }),
      ),
    )
    writing = false
    await reading
    const kept = told.filter((number) => number !== undefined)
    expect(kept).toHaveLength(4 * 53)
    expect(kept.toSorted((a, b) => a - b)).toEqual(kept.map((_, i) => 2 * (i + 1)))
    expect(seen).toEqual(Array.from({ length: 2 * kept.length }, (_, i) => i + 1))
  })

  test('a job that hides a refused statement commits nothing, and is not told that it did', async () => {
    const store = await tempStore()
    const hiding = store.write(async (tx) => {
      await putSetting(tx, 'half', 'done')
      await sql`select 1 / 0`.execute(tx.db).catch(() => {})
    })
    expect(await rejection(hiding)).toMatchObject({ code: 'unavailable' })
    expect(await store.write((tx) => tx.change('entry', ['next']))).toBe(1)
    const half = await sql`select 1 from settings where name = 'half'`.execute(store.db)
    expect(half.rows).toEqual([])
  })

  test('a writer that another one keeps waiting says so, and can write afterwards', async () => {
    const { at, connect } = await postgresDatabase(postgres)
    const holder = await tempStore({ connect })
    const waiter = await tempStore({ connect: () => openPostgres({ ...at, lockTimeoutMs: 50 }) })
    const held = Promise.withResolvers<void>()
    const goOn = Promise.withResolvers<void>()
    const holding = holder.write(async () => {
      held.resolve()
      await goOn.promise
    })
    await held.promise
    expect(await rejection(waiter.probe())).toMatchObject({ reason: 'store-busy' })
    goOn.resolve()
    await holding
    await waiter.probe()
  })

  test('a database that goes away fails the writes of the moment, not those after it', async () => {
    const { at, connect, execute } = await postgresDatabase(postgres)
    const store = await tempStore({ connect })
    const started = Promise.withResolvers<void>()
    const goOn = Promise.withResolvers<void>()
    const cut = store.write(async (tx) => {
      await tx.change('entry', ['cut'])
      started.resolve()
      await goOn.promise
      await tx.change('entry', ['cut again'])
    })
    await started.promise
    await execute(
      `select pg_terminate_backend(pid) from pg_stat_activity where datname = '${at.database}' and pid <> pg_backend_pid()`,
    )
    goOn.resolve()
    expect(await rejection(cut)).toMatchObject({ code: 'unavailable', reason: 'store-unwritable' })
    expect(await store.write((tx) => tx.change('entry', ['next']))).toBe(1)
    expect((await readChanges(store.db, 0, 10)).map(({ ref }) => ref)).toEqual(['next'])
  })

  test('a database that is not there is no data lost', async () => {
    const missing = openStore({
      ...storeOptions,
      connect: () => openPostgres({ host: postgres.host, user: postgres.user, database: 'nobody' }),
    })
    await expect(missing).rejects.toThrow()
  })
}

/** Does the job in transactions one after the other, without the lock that the store's writers share. */
async function inTransactions<T>(
  db: Kysely<Schema>,
  count: number,
  job: (tx: WriteTx) => Promise<T>,
): Promise<T[]> {
  const seal = createRowSeal(sealKey, () => {})
  const got: T[] = []
  for (let at = 0; at < count; at += 1) {
    await db.connection().execute(async (connection) => {
      attachSeal(connection, seal)
      await sql`begin`.execute(connection)
      got.push(await job({ db: connection } as WriteTx))
      await sql`commit`.execute(connection)
    })
  }
  return got
}
