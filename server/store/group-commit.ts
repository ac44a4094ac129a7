import { AsyncLocalStorage } from 'node:async_hooks'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { ControlledTransaction } from 'kysely'
import type { AuditEvent } from '../../src/audit/event.ts'
import type { Entry } from '../../src/entry/entry.ts'
import { CountersignError } from '../../src/errors.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import { appendChanges } from './changes.ts'
import { fromDriver } from './driver-error.ts'
import type { ChangeKind, Schema } from './schema.ts'
import type { BeforeCommit, WriteTx } from './store.ts'
import type { Written } from './written.ts'

export interface GroupCommitDeps {
  readonly clock: Clock
  readonly begin: () => Promise<ControlledTransaction<Schema>>
  /** The audit trail's write to disk. Where it throws, the whole group is rolled back. */
  readonly beforeCommit: BeforeCommit
  /** After a commit that numbered changes, before its jobs' promises are settled. */
  readonly committed: (position: number, written: readonly Written[]) => void
  /** At the first group that fails, and at the first one that works again. */
  readonly failed: (error: CountersignError) => void
  readonly recovered: () => void
  readonly asGroupError: (error: unknown) => CountersignError
}

interface Job {
  readonly run: (tx: WriteTx) => Promise<unknown>
  readonly resolve: (value: unknown) => void
  readonly reject: (error: unknown) => void
}

/** How a job ended inside the transaction; told to its caller once that has been committed. */
type Outcome = { readonly job: Job } & (
  | {
      readonly value: unknown
      readonly written: readonly Written[]
      readonly events: readonly AuditEvent[]
    }
  | { readonly error: unknown }
)

const maxWaitingJobs = 10_000
const maxGroupJobs = 1000
/** A group is closed after the job that passes one of these, so that nobody's commit waits for long. */
const maxGroupMs = 20
const maxGroupEvents = 4096

/**
 * One transaction after the other on one connection, each for all jobs that wait by then: the sync
 * of the disk is what a commit costs, and many jobs share one.
 */
export class GroupCommit {
  readonly #deps: GroupCommitDeps
  readonly #insideJob = new AsyncLocalStorage<{ active: boolean }>()
  readonly #waiting: Job[] = []
  #running: Promise<void> | undefined
  #closed = false
  #failing = false

  constructor(deps: GroupCommitDeps) {
    this.#deps = deps
  }

  write<T>(job: (tx: WriteTx) => Promise<T>): Promise<T> {
    const refusal = this.#refusal()
    if (refusal !== undefined) return Promise.reject(refusal)
    return new Promise<T>((resolve, reject) => {
      this.#waiting.push({ run: job, resolve: (value) => resolve(value as T), reject })
      this.#running ??= this.#runGroups()
    })
  }

  /** Takes no more jobs; resolves when those that wait have been committed. */
  async close(): Promise<void> {
    this.#closed = true
    await this.#running
  }

  #refusal(): CountersignError | undefined {
    // The outer job would wait for the inner one, and that for the outer one's transaction.
    if (this.#insideJob.getStore()?.active === true) {
      return new CountersignError('internal', 'internal error', { reason: 'store-nested-write' })
    }
    if (this.#closed) {
      return new CountersignError('unavailable', 'the server is stopping', {
        reason: 'store-closed',
      })
    }
    if (this.#waiting.length < maxWaitingJobs) return undefined
    return new CountersignError('exhausted', 'too many writes wait for the store', {
      reason: 'store-queue-full',
      retryAfterMs: 1000,
    })
  }

  async #runGroups(): Promise<void> {
    while (this.#waiting.length > 0) {
      // Collects what this turn of the loop brings, and lets sockets and timers have theirs.
      await nextTurn()
      await this.#runGroup()
    }
    this.#running = undefined
  }

  async #runGroup(): Promise<void> {
    const started: Job[] = []
    let transaction: ControlledTransaction<Schema> | undefined
    try {
      transaction = await this.#deps.begin()
      const outcomes = await this.#runJobs(transaction, started)
      const kept = outcomes.filter((outcome) => 'value' in outcome)
      if (kept.length === 0) {
        await transaction.rollback().execute()
      } else {
        const events = kept.flatMap((outcome) => outcome.events)
        const recorded = await this.#deps.beforeCommit(events, transaction)
        try {
          await transaction.commit().execute()
        } catch (error) {
          await recorded?.failed()
          throw error
        }
        this.#noteSuccess()
        const written = kept.flatMap((outcome) => outcome.written)
        const last = written.at(-1)
        if (last !== undefined) this.#deps.committed(last.number, written)
      }
      for (const outcome of outcomes) settle(outcome)
    } catch (error) {
      await rollBackWhatIsLeft(transaction)
      const failure = this.#noteFailure(error)
      if (transaction === undefined) started.push(...this.#waiting.splice(0, maxGroupJobs))
      for (const job of started) job.reject(failure)
    }
  }

  /** Runs what waits and what comes in meanwhile. Throws where the transaction as a whole is lost. */
  async #runJobs(transaction: ControlledTransaction<Schema>, started: Job[]): Promise<Outcome[]> {
    const outcomes: Outcome[] = []
    const endMs = this.#deps.clock.monotonicMs() + maxGroupMs
    let events = 0
    for (;;) {
      const job = this.#waiting.shift()
      if (job === undefined) return outcomes
      started.push(job)
      const outcome = await this.#runJob(transaction, job)
      outcomes.push(outcome)
      if ('events' in outcome) events += outcome.events.length
      if (outcomes.length >= maxGroupJobs || events >= maxGroupEvents) return outcomes
      if (this.#deps.clock.monotonicMs() >= endMs) return outcomes
    }
  }

  async #runJob(transaction: ControlledTransaction<Schema>, job: Job): Promise<Outcome> {
    const inside = await transaction.savepoint('job').execute()
    const tx = new JobTx(inside)
    const mark = { active: true }
    let outcome: Outcome
    try {
      const value = await this.#insideJob.run(mark, () => job.run(tx))
      outcome = { job, value, written: tx.written, events: tx.events }
    } catch (error) {
      outcome = { job, error: fromDriver(error) }
    } finally {
      mark.active = false
      tx.end()
    }
    if ('error' in outcome) await undoJob(inside, outcome.error)
    await inside.releaseSavepoint('job').execute()
    return outcome
  }

  #noteSuccess(): void {
    if (this.#failing) this.#deps.recovered()
    this.#failing = false
  }

  #noteFailure(error: unknown): CountersignError {
    const failure = this.#deps.asGroupError(error)
    if (!this.#failing) this.#deps.failed(failure)
    this.#failing = true
    return failure
  }
}

function settle(outcome: Outcome): void {
  if ('error' in outcome) outcome.job.reject(outcome.error)
  else outcome.job.resolve(outcome.value)
}

/** On a full disk the transaction may be gone as a whole; then the job's error says why. */
async function undoJob(
  inside: ControlledTransaction<Schema, ['job']>,
  cause: unknown,
): Promise<void> {
  try {
    await inside.rollbackToSavepoint('job').execute()
  } catch (error) {
    throw cause instanceof CountersignError && cause.code === 'unavailable' ? cause : error
  }
}

async function rollBackWhatIsLeft(
  transaction: ControlledTransaction<Schema> | undefined,
): Promise<void> {
  if (transaction === undefined || transaction.isCommitted || transaction.isRolledBack) return
  try {
    await transaction.rollback().execute()
  } catch {
    // The database has ended it by itself; the error that matters is on its way to the callers.
  }
}

/** One job's part in the transaction. */
class JobTx implements WriteTx {
  readonly db: ControlledTransaction<Schema, ['job']>
  readonly events: AuditEvent[] = []
  readonly written: Written[] = []
  #ended = false

  constructor(db: ControlledTransaction<Schema, ['job']>) {
    this.db = db
  }

  get lastChange(): number {
    return this.written.at(-1)?.number ?? 0
  }

  async change(kind: ChangeKind, refs: readonly string[]): Promise<number> {
    await this.#number(kind, refs)
    return this.lastChange
  }

  async changeEntries(entries: ReadonlyMap<string, Entry | undefined>): Promise<number> {
    await this.#number('entry', [...entries.keys()], (ref) => ({ entry: entries.get(ref) }))
    return this.lastChange
  }

  async #number(
    kind: ChangeKind,
    refs: readonly string[],
    rowOf?: (ref: string) => Pick<Written, 'entry'>,
  ): Promise<void> {
    this.#assertNotEnded()
    if (refs.length === 0) return
    const first = (await appendChanges(this.db, kind, refs)) - refs.length + 1
    for (const [at, ref] of refs.entries()) {
      this.written.push({ number: first + at, kind, ref, ...rowOf?.(ref) })
    }
  }

  audit(event: AuditEvent): void {
    this.#assertNotEnded()
    this.events.push(event)
  }

  end(): void {
    this.#ended = true
  }

  #assertNotEnded(): void {
    if (this.#ended) throw new Error('the job has ended')
  }
}
