import { randomBytes } from 'node:crypto'
import type { ControlledTransaction, Kysely } from 'kysely'
import type { AuditEvent } from '../../src/audit/event.ts'
import type { Entry } from '../../src/entry/entry.ts'
import { CountersignError } from '../../src/errors.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import type { Log } from '../../src/runtime/log.ts'
import type { TrustDomain } from '../../src/spiffe-id/spiffe-id.ts'
import { lastChange } from './changes.ts'
import type { Connections } from './connections.ts'
import { busy, fromDriver, isBusy, unwritable } from './driver-error.ts'
import { entryPages, readManyBeside } from './entry-pages.ts'
import { GroupCommit } from './group-commit.ts'
import { migrate } from './migrations.ts'
import { attachSeal, createRowSeal, type RefusedRow, type RowSeal } from './row-seal.ts'
import type { ChangeKind, Schema } from './schema.ts'
import { peekSetting, putSetting, settleSetting } from './settings.ts'
import type { Written } from './written.ts'

/** What a job of `Store.write` works with; good only until the job has ended. */
export interface WriteTx {
  /** Reads and writes inside the transaction. */
  readonly db: Kysely<Schema>
  /** Numbers the refs (ids of rows) in the change log; resolves with the last number. The functions of the aggregates do this themselves. */
  change(kind: ChangeKind, refs: readonly string[]): Promise<number>
  /** The same for entries, undefined: deleted. Whoever follows the log in this process gets them from here and does not read the rows again. */
  changeEntries(entries: ReadonlyMap<string, Entry | undefined>): Promise<number>
  /** The last number that this job was given; 0 before the first. */
  readonly lastChange: number
  /** Puts the event on record before the transaction is committed: without the record, no commit. */
  audit(event: AuditEvent): void
}

export type CommitListener = (position: number, written: readonly Written[]) => void

export interface Store extends AsyncDisposable {
  /** 128 random bits in hex: the change log that numbers belong to. */
  readonly logId: string
  /** What is committed; writing is refused. */
  readonly db: Kysely<Schema>
  /**
   * Runs the job in a transaction that it shares with other jobs, and resolves with its result once
   * that is committed. A job that throws is undone alone, and its error is passed on. A job does
   * database work only: whatever it waits for, every other writer waits for.
   * Throws `unavailable` / `store-unwritable`, `store-busy` or `store-closed`, `exhausted` /
   * `store-queue-full`, or what `beforeCommit` throws; nothing of the job is kept then.
   */
  write<T>(job: (tx: WriteTx) => Promise<T>): Promise<T>
  /** Calls the listener after each commit that numbered changes, with the last number and all that were numbered. */
  onCommit(listener: CommitListener): () => void
  /** How many rows were refused so far because somebody else wrote them. */
  refusedRows(): number
  /** Begins to read all entries, beside this thread where there are many. */
  readEntries(): Promise<EntryReading>
  /** Proves that a write can succeed; throws as `write` does. */
  probe(): Promise<void>
}

/** Every entry, in pages, in no order; what was changed after number `position` may be among them or not. */
export interface EntryReading {
  readonly position: number
  readonly pages: AsyncGenerator<readonly Entry[]>
}

export interface StoreOptions {
  /** Opens the database; what it throws is the driver's, or ours. */
  readonly connect: () => Connections
  readonly trustDomain: TrustDomain
  /** 32 bytes that the row seal's MACs are made with; nobody who can write to the database has them. */
  readonly sealKey: Buffer
  /** Told once of each row that somebody else has written or changed; it counts as absent. */
  readonly onRefused?: (row: RefusedRow) => void
  readonly log: Log
  readonly clock: Clock
  /** Gets the audit events of a transaction, and the transaction, before it is committed; where it throws, nothing is. */
  readonly beforeCommit?: BeforeCommit
}

/** What was written down of a transaction that is about to be committed. */
export interface CommitRecord {
  /** The commit failed: what was written down did not happen. Never throws. */
  failed(): Promise<void>
}

export type BeforeCommit = (
  events: readonly AuditEvent[],
  db: Kysely<Schema>,
  // biome-ignore lint/suspicious/noConfusingVoidType: whoever keeps no record returns nothing
) => Promise<CommitRecord | void>

/**
 * Opens the database, and brings it to this version.
 * Throws `conflict` / `store-trust-domain` for another trust domain's file, `conflict` / `store-seal`
 * under another wrapping key, `store-unsealed`, `store-version`, `forbidden` / `data-mode` or `store-mode`, `internal` / `store-corrupt`, `unavailable` /
 * `store-unwritable`.
 */
export async function openStore(options: StoreOptions): Promise<Store> {
  let connections: Connections | undefined
  try {
    connections = options.connect()
    const seal = createRowSeal(options.sealKey, (row) => tellRefused(row, options))
    for (const db of [connections.writer, connections.reader]) attachSeal(db, seal)
    const logId = await prepareSchema(connections, options)
    return createStore(connections, logId, seal, options)
  } catch (error) {
    await connections?.close()
    throw fromDriver(error)
  }
}

/** All in one transaction, so that another trust domain's file stays as it is. Resolves with the log's id. */
async function prepareSchema(connections: Connections, options: StoreOptions): Promise<string> {
  const transaction = await begin(connections.writer, options.clock)
  try {
    await migrate(transaction, connections.takeConsent())
    await refuseOtherTrustDomain(transaction, options.trustDomain)
    await settleSetting(transaction, 'trust-domain', options.trustDomain)
    const logId = await settleSetting(transaction, 'log-id', randomBytes(16).toString('hex'))
    await transaction.commit().execute()
    return logId
  } catch (error) {
    await transaction
      .rollback()
      .execute()
      .catch(() => {})
    throw error
  }
}

/** Before any MAC is looked at: its key is one of the trust domain, and a slip of the pen is no wrong wrapping key. */
async function refuseOtherTrustDomain(db: Kysely<Schema>, own: TrustDomain): Promise<void> {
  const there = await peekSetting(db, 'trust-domain')
  if (there === undefined || there === own) return
  throw new CountersignError(
    'conflict',
    `the data file belongs to trust domain ${there}, not to ${own}`,
    {
      reason: 'store-trust-domain',
      fix: 'correct the trust domain, or name another data folder',
    },
  )
}

const busyWaitMs = 25
const busyTries = 200

/** Waits asleep for another process that holds the lock, up to 5 seconds. */
async function begin(writer: Kysely<Schema>, clock: Clock): Promise<ControlledTransaction<Schema>> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await writer.startTransaction().execute()
    } catch (error) {
      if (!isBusy(error)) throw fromDriver(error)
      if (tries === busyTries) throw busy(error)
      await clock.sleep(busyWaitMs)
    }
  }
}

function tellRefused(row: RefusedRow, { log, onRefused }: StoreOptions): void {
  log.error('a row of the database is not one that this server wrote: it is refused', {
    ...row,
    fix: 'find out who can write to the database; restore the row from a backup, or delete it and make anew what it was',
  })
  onRefused?.(row)
}

function createStore(
  connections: Connections,
  logId: string,
  seal: RowSeal,
  options: StoreOptions,
): Store {
  const { clock, log, beforeCommit } = options
  const listeners = new Set<CommitListener>()
  const committer = new GroupCommit({
    clock,
    begin: () => begin(connections.writer, clock),
    beforeCommit: beforeCommit ?? (async () => {}),
    committed(position, written) {
      for (const listener of listeners) {
        try {
          listener(position, written)
        } catch (error) {
          log.error('a listener for commits failed', { error })
        }
      }
    },
    failed: (error) => log.error('writes to the store fail', { error }),
    recovered: () => log.info('writes to the store work again'),
    asGroupError: (error) => {
      const known = fromDriver(error)
      return known instanceof CountersignError ? known : unwritable(error)
    },
  })
  return {
    logId,
    db: connections.reader,
    refusedRows: () => seal.refused,
    write: (job) => committer.write(job),
    async readEntries() {
      const { reader, readBeside } = connections
      const position = await lastChange(reader)
      const beside =
        readBeside && (await readManyBeside(reader, (query) => readBeside(query, options.sealKey)))
      return { position, pages: entryPages(reader, beside) }
    },
    onCommit(listener) {
      const own: CommitListener = (position, written) => listener(position, written)
      listeners.add(own)
      return () => listeners.delete(own)
    },
    async probe() {
      const now = clock.now().getTime()
      await committer.write((tx) => putSetting(tx, 'last-probe', String(now)))
    },
    async [Symbol.asyncDispose]() {
      await committer.close()
      await connections.close()
    },
  }
}
