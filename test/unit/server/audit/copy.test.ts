import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { loadChainId } from '../../../../server/audit/chain-id.ts'
import {
  createCommitRecorder,
  openChain,
  settleRecords,
} from '../../../../server/audit/commit-record.ts'
import { AuditCopy, type AuditCopyDeps } from '../../../../server/audit/copy.ts'
import { openTrail, type Trail } from '../../../../server/audit/trail.ts'
import { openSqlite } from '../../../../server/store/sqlite.ts'
import { openStore, type Store } from '../../../../server/store/store.ts'
import { chainStart, nextLine, readLink, verify } from '../../../../src/audit/chain.ts'
import type { AuditEvent, AuditKind } from '../../../../src/audit/event.ts'
import { CountersignError } from '../../../../src/errors.ts'
import { silentLog } from '../../../../src/runtime/log.ts'
import { TrustDomain } from '../../../../src/spiffe-id/spiffe-id.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'

const trustDomain = TrustDomain.parse('example.org')
let folder: string
let path: string
let clock: FakeClock

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'copy-'))
  path = join(folder, 'audit.log')
  clock = new FakeClock()
})
afterEach(() => rm(folder, { recursive: true }))

function event(serial: string, kind: AuditKind = 'svid.x509.issued'): AuditEvent {
  return { kind, time: clock.now(), actor: { kind: 'server' }, serial, decision: 'allow' }
}

const events = (count: number): AuditEvent[] =>
  Array.from({ length: count }, (_, i) => event(String(i)))

interface Running extends AsyncDisposable {
  readonly trail: Trail
  readonly store: Store
  readonly chain: string
  copy(options?: Partial<AuditCopyDeps>): AuditCopy
}

/** Trail, store and recorder as the server opens them. */
async function start(
  options: { readonly maxFileBytes?: number } = {},
  log = silentLog,
): Promise<Running> {
  const closing = new AsyncDisposableStack()
  const trail = closing.use(await openTrail({ path, clock, log: silentLog, ...options }))
  let recorder: ReturnType<typeof createCommitRecorder> | undefined
  const store = closing.use(
    await openStore({
      sealKey: Buffer.alloc(32, 7),
      connect: () => openSqlite(join(folder, 'data', 'store.db')),
      trustDomain,
      clock,
      log: silentLog,
      beforeCommit: async (written, db) => recorder?.beforeCommit(written, db),
    }),
  )
  const chain = await openChain({ path, trail, db: store.db, log })
  await settleRecords({ path, trail, chain, store, clock, log })
  recorder = createCommitRecorder(trail, chain.id, clock)
  return {
    trail,
    store,
    chain: chain.id,
    copy: (other = {}) =>
      new AuditCopy({
        path,
        trail,
        chain: chain.id,
        store,
        keep: 1_000_000,
        clock,
        log: silentLog,
        ...other,
      }),
    [Symbol.asyncDispose]: () => closing.disposeAsync(),
  }
}

/** Runs the copy until it has caught up, in the time that it takes for itself. */
async function catchUp(copy: AuditCopy): Promise<void> {
  const stop = new AbortController()
  const running = copy.run(stop.signal).catch(() => {})
  for (let turn = 0; copy.lag > 0; turn += 1) {
    if (turn === 20_000) throw new Error(`the copy lags by ${copy.lag}`)
    await new Promise((resolve) => setTimeout(resolve, 1))
    if (clock.sleeping > 0) await clock.advance(30_000)
  }
  stop.abort()
  await running
}

function copied(store: Store, chain: string): Promise<{ number: number; line: string }[]> {
  return store.db
    .selectFrom('audit_records')
    .select(['number', 'line'])
    .where('chain', '=', chain)
    .orderBy('number')
    .execute()
}

async function firstLines(count: number): Promise<string> {
  const lines = (await readFile(path, 'utf8')).split('\n').slice(0, count)
  return lines.map((line) => `${line}\n`).join('')
}

async function fileRecords(): Promise<{ n: number; kind: string; details?: unknown }[]> {
  return (await readFile(path, 'utf8'))
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
}

describe('the copy of the trail in the store', () => {
  test('has each record as it was written, through rotated files and restarts', async () => {
    for (let round = 0; round < 3; round += 1) {
      await using server = await start({ maxFileBytes: 100_000 })
      const copy = server.copy()
      // The first half is copied as it comes, the second after the next start.
      for (let i = 0; i < 4; i += 1) await server.trail.append(events(150))
      await catchUp(copy)
      for (let i = 0; i < 4; i += 1) await server.trail.append(events(150))
    }
    await using server = await start()
    await catchUp(server.copy())
    const lines = (await copied(server.store, server.chain)).map(({ line }) => line)
    expect(verify(lines, { expected: server.trail.head() })).toMatchObject({
      verified: 3600,
      fault: undefined,
    })
  })

  test('a start finds its way over a line that the disk has changed, and says that it may be of a change', async () => {
    {
      await using server = await start()
      await server.trail.append(events(3))
    }
    const [first = '', second = '', ...others] = (await readFile(path, 'utf8')).split('\n')
    const changed = `${second.slice(0, 60)}"${second.slice(61)}`
    await writeFile(path, [first, changed, ...others].join('\n'))
    await using server = await start()
    await server.trail.append(events(1))
    expect(
      (await readFile(path, 'utf8')).split('\n').map((line) => line.includes('not-in-store')),
    ).toEqual([false, false, false, true, false, false])
  })

  test('keeps the newest, and does not copy what it would forget at once', async () => {
    await using server = await start()
    await server.trail.append(events(1000))
    await catchUp(server.copy({ keep: 300 }))
    const numbers = (await copied(server.store, server.chain)).map(({ number }) => number)
    expect(numbers).toEqual(Array.from({ length: 300 }, (_, i) => 701 + i))
  })

  test('says where the file was changed, also in the middle of what it copies at a time', async () => {
    await using server = await start()
    await server.trail.append(events(4))
    const [first = '', , ...others] = (await readFile(path, 'utf8')).split('\n')
    const { head = chainStart } = readLink(first) ?? {}
    const other = nextLine(head, {
      ...{ kind: 'server.stopped', time: new Date(0), actor: { kind: 'server' } },
      decision: 'allow',
    })
    await writeFile(path, [first, other.line, ...others].join('\n'))
    const said: unknown[] = []
    const log = { ...silentLog, error: (_: string, fields?: object) => void said.push(fields) }
    await catchUp(server.copy({ log }))
    expect(said).toEqual([{ copied: 2, next: 3 }])
  })

  test('waits while the store is away, holds nothing up, and goes on where it was', async () => {
    await using server = await start()
    const { store } = server
    let away = true
    let tries = 0
    const copy = server.copy({
      store: {
        db: store.db,
        write: (job) => {
          tries += 1
          return away
            ? Promise.reject(new CountersignError('unavailable', 'away', { reason: 'away' }))
            : store.write(job)
        },
      },
    })
    await server.trail.append(events(600))
    const stop = new AbortController()
    const running = copy.run(stop.signal).catch(() => {})
    while (tries < 3) {
      await new Promise((resolve) => setTimeout(resolve, 1))
      if (clock.sleeping > 0) await clock.advance(30_000)
    }
    await server.trail.append(events(10))
    expect(await copied(store, server.chain)).toEqual([])
    away = false
    stop.abort()
    await running
    await catchUp(copy)
    expect(await copied(store, server.chain)).toHaveLength(610)
  })

  test.for([
    ['and its name with it', async () => Promise.all([rm(path), rm(`${path}.id`)])],
    ['and its name was left', async () => rm(path)],
    ['but for its first records', async () => writeFile(path, await firstLines(2))],
    ['but for its name', async () => rm(`${path}.id`)],
  ] as const)(
    'T10 a trail that was taken away, %s, goes on under a new name, and that is told and on record',
    async ([how, takeAway]) => {
      let before: string
      {
        await using server = await start()
        before = server.chain
        await server.trail.append(events(20))
        await catchUp(server.copy())
      }
      await takeAway()
      const said: unknown[] = []
      const error = (message: string, fields?: object) => void said.push({ message, ...fields })
      const log = { ...silentLog, error }
      const kept = how === 'but for its name' ? 20 : how === 'but for its first records' ? 2 : 0
      {
        await using server = await start({}, log)
        await server.trail.append(events(5))
        await catchUp(server.copy())
        expect(server.chain).not.toBe(before)
        expect(said).toMatchObject([
          {
            message: 'the audit trail is not the one that the store knows',
            ...{ path, records: kept, before: [before], fix: expect.stringContaining('.id') },
          },
        ])
        expect((await fileRecords())[kept]).toMatchObject({
          ...{ n: kept + 1, kind: 'trail.begun', decision: 'deny', reason: 'trail-replaced' },
          details: { chain: server.chain, before },
        })
        expect(await copied(server.store, before)).toHaveLength(20)
        expect(await copied(server.store, server.chain)).toHaveLength(kept + 6)
      }
      // From then on it is the one that the store knows.
      await using server = await start({}, log)
      expect(said).toHaveLength(1)
      expect(server.trail.head().number).toBe(kept + 6)
    },
  )

  test('the first trail of a store is told to nobody', async () => {
    const said: unknown[] = []
    const error = (message: string) => void said.push(message)
    await using server = await start({}, { ...silentLog, error })
    expect([said, server.trail.head().number]).toEqual([[], 0])
  })

  test('two servers on one store have a chain each', async () => {
    await using server = await start()
    const otherPath = join(folder, 'other.log')
    await using other = await openTrail({ path: otherPath, clock, log: silentLog })
    const chain = await loadChainId(otherPath)
    await server.trail.append(events(7))
    await other.append(events(3))
    await catchUp(server.copy())
    await catchUp(server.copy({ path: otherPath, trail: other, chain }))
    expect(await copied(server.store, server.chain)).toHaveLength(7)
    expect(await copied(server.store, chain)).toHaveLength(3)
  })
})

describe('records of commits that failed', () => {
  /** Writes an event, and the disk refuses the commit. */
  async function failCommit({ store }: Running): Promise<void> {
    await expect(
      store.write(async (tx) => {
        // A constraint that is checked at the commit, as a full disk is noticed there.
        await tx.db.executeQuery({ sql: 'pragma defer_foreign_keys = on', parameters: [] } as never)
        await tx.db.executeQuery({ sql: 'insert into child values (1)', parameters: [] } as never)
        tx.audit(event('lost-1', 'entry.created'))
        tx.audit(event('lost-2', 'entry.deleted'))
      }),
    ).rejects.toThrow()
  }

  async function makeChild({ store }: Running): Promise<void> {
    await store.write(async (tx) => {
      await tx.db.schema
        .createTable('parent')
        .addColumn('id', 'integer', (column) => column.primaryKey())
        .execute()
      await tx.db.schema
        .createTable('child')
        .addColumn('id', 'integer', (column) => column.references('parent.id'))
        .execute()
    })
  }

  test('say which records name changes that were not kept', async () => {
    await using server = await start()
    await makeChild(server)
    await server.store.write(async (tx) => tx.audit(event('kept', 'entry.created')))
    await failCommit(server)
    await server.store.write(async (tx) => tx.audit(event('kept', 'entry.created')))
    const records = await fileRecords()
    expect(records.map(({ kind }) => kind)).toEqual([
      'entry.created',
      'entry.created',
      'entry.deleted',
      'commit.failed',
      'entry.created',
    ])
    expect(records[3]).toMatchObject({
      decision: 'deny',
      reason: 'commit-failed',
      details: { first: 2, last: 3 },
    })
  })

  test('F2 come at the next start where the server died between record and commit', async () => {
    {
      await using server = await start()
      await server.store.write(async (tx) => tx.audit(event('kept', 'entry.created')))
      // What a server leaves that dies before COMMIT, with what it issued meanwhile.
      await server.trail.append([
        event('issued'),
        event('lost', 'entry.created'),
        event('lost', 'agent.banned'),
        event('issued'),
      ])
    }
    for (let restart = 0; restart < 2; restart += 1) {
      await using server = await start()
      const records = await fileRecords()
      expect(records).toHaveLength(6)
      expect(records.at(-1)).toMatchObject({
        kind: 'commit.failed',
        reason: 'not-in-store',
        details: { first: 3, last: 4 },
      })
      expect(server.trail.head().number).toBe(6)
    }
  })

  test('what another version has put on record, of a kind that this one does not know, may be a change', async () => {
    {
      await using server = await start()
      await server.trail.append([event('issued'), event('later', 'thing.made' as 'entry.created')])
    }
    await using server = await start()
    expect((await fileRecords()).at(-1)).toMatchObject({
      kind: 'commit.failed',
      details: { first: 2, last: 2 },
    })
    expect(server.trail.head().number).toBe(3)
  })

  test('there is none for what was kept, nor for a job that threw', async () => {
    {
      await using server = await start()
      await Promise.allSettled([
        server.store.write(async (tx) => tx.audit(event('kept', 'entry.created'))),
        server.store.write(async (tx) => {
          tx.audit(event('thrown', 'entry.created'))
          throw new Error('no')
        }),
      ])
      await server.trail.append(events(3))
      await catchUp(server.copy())
    }
    await using server = await start()
    expect((await fileRecords()).map(({ kind }) => kind)).not.toContain('commit.failed')
    expect(server.trail.head().number).toBe(4)
  })
})
