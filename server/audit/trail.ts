import { fstatSync, lstatSync } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { type ChainHead, chainStart, nextLine } from '../../src/audit/chain.ts'
import type { AuditEvent } from '../../src/audit/event.ts'
import { CountersignError } from '../../src/errors.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import type { Log } from '../../src/runtime/log.ts'
import { AppendQueue, type Group } from './append-queue.ts'
import { openTrailFile, rotateTrailFile } from './trail-file.ts'

/** The places of events in the chain, from the first to the last; none where `last` is less. */
export interface RecordRange {
  readonly first: number
  readonly last: number
}

/** This server's own record: what is not in it has not been issued. */
export interface Trail extends AsyncDisposable {
  /**
   * Resolves when the events are on disk, in this order and side by side, with their places. Throws `unavailable`
   * `audit-unwritable` (none of the events counts as recorded), `exhausted` `audit-queue-full`, or
   * `invalid` `audit-event-large`.
   */
  append(events: readonly AuditEvent[]): Promise<RecordRange>
  /** Why nothing can be recorded at the moment, as far as known. */
  ready(): CountersignError | undefined
  /** Finds out whether the file can be written again; costs nothing while it can. Throws as `append`. */
  probe(): Promise<void>
  /** Where the chain stands: every line up to here is on disk. */
  head(): ChainHead
}

export interface TrailOptions {
  readonly path: string
  readonly clock: Clock
  readonly log: Log
  /** A file of this size gets a number, and a new one is begun. Default 256 MiB. */
  readonly maxFileBytes?: number
  /** Called after each write to disk. */
  readonly observe?: (write: {
    readonly events: number
    readonly bytes: number
    readonly elapsedMs: number
    readonly ok: boolean
  }) => void
}

/** No append waits longer for others to share a write with. */
const maxGatherMs = 4

const probeBytes: Buffer = Buffer.alloc(8192, ' ')

/** Opens the trail and goes on with its chain. Throws as `openTrailFile`, else `unavailable` `audit-unwritable`. */
export async function openTrail(options: TrailOptions): Promise<Trail> {
  const writer = new TrailWriter(options)
  try {
    await writer.makeReady()
    return writer
  } catch (error) {
    await writer[Symbol.asyncDispose]()
    throw isOurs(error) ? error : cannotOpen(options.path, error)
  }
}

class TrailWriter implements Trail {
  readonly #options: TrailOptions
  #file: FileHandle | undefined
  #head: ChainHead = chainStart
  /** Where the last line that counts ends. */
  #size = 0
  /** A write failed half way: the file may be longer than `#size`. */
  #dirty = false
  #failure: CountersignError | undefined
  #closed = false
  readonly #queue = new AppendQueue()
  /**
   * How many appends were on their way at the last write, and how long the next one waits for as many. Whoever was
   * answered just now asks again at once where there is much to do; two halves would take turns at writing for ever.
   */
  #expected = 0
  #gatherMs = 0
  #writing: Promise<void> | undefined

  constructor(options: TrailOptions) {
    this.#options = options
  }

  append(events: readonly AuditEvent[]): Promise<RecordRange> {
    const { number } = this.#head
    if (events.length === 0) return Promise.resolve({ first: number + 1, last: number })
    return this.#enqueue(events)
  }

  ready(): CountersignError | undefined {
    return this.#failure
  }

  async probe(): Promise<void> {
    if (this.#failure !== undefined) await this.#enqueue([])
  }

  head(): ChainHead {
    return this.#head
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true
    await this.#writing
    await this.#forgetFile()
  }

  /** Opens the file or makes sure that it ends where the last line does. */
  async makeReady(): Promise<void> {
    if (this.#file !== undefined && this.#dirty) await this.#cutBack(this.#file)
    if (this.#file !== undefined && !this.#isOurs(this.#file)) {
      this.#options.log.error('the audit trail was changed by somebody else', {
        path: this.#options.path,
      })
      await this.#forgetFile()
    }
    if (this.#file === undefined) await this.#open()
  }

  /** Neither longer nor shorter than we left it, and where it was: neither deleted, moved away nor replaced. */
  #isOurs(file: FileHandle): boolean {
    const { size, dev, ino } = fstatSync(file.fd)
    const there = lstatSync(this.#options.path, { throwIfNoEntry: false })
    return size === this.#size && there?.ino === ino && there.dev === dev
  }

  async #open(): Promise<void> {
    const opened = await openTrailFile(this.#options.path)
    this.#file = opened.handle
    // Where lines that we wrote are gone, the chain goes on from what we know: the gap stays visible.
    if (opened.head.number >= this.#head.number) this.#head = opened.head
    this.#size = opened.size
    this.#dirty = false
    if (opened.cut === undefined) return
    this.#options.log.warn('the audit trail ended in part of a line', { ...opened.cut })
    const note = nextLine(this.#head, {
      kind: 'trail.repaired',
      time: this.#options.clock.now(),
      actor: { kind: 'server' },
      decision: 'allow',
      reason: 'torn-line',
      details: opened.cut,
    })
    await this.#write(opened.handle, Buffer.from(`${note.line}\n`), note.head)
  }

  async #cutBack(file: FileHandle): Promise<void> {
    await file.truncate(this.#size)
    await file.datasync()
    this.#dirty = false
  }

  async #forgetFile(): Promise<void> {
    const file = this.#file
    this.#file = undefined
    await file?.close()
  }

  #enqueue(events: readonly AuditEvent[]): Promise<RecordRange> {
    if (this.#closed) return Promise.reject(unwritable(undefined))
    const appended = this.#queue.add(events)
    this.#writing ??= this.#writeAll()
    return appended
  }

  /** One write at a time, for all that waits by then. */
  async #writeAll(): Promise<void> {
    const { clock, observe } = this.#options
    while (this.#queue.length > 0) {
      // Appends of the same turn of the loop share a write.
      await nextTurn()
      await this.#queue.gather(this.#expected, this.#gatherMs, clock)
      const startedMs = clock.monotonicMs()
      const { appends, ...written } = await this.#writeGroup()
      const elapsedMs = clock.monotonicMs() - startedMs
      this.#expected = appends + this.#queue.length
      this.#gatherMs = Math.min(Math.ceil(2 * elapsedMs), maxGatherMs)
      observe?.({ ...written, elapsedMs, ok: this.#failure === undefined })
    }
    this.#writing = undefined
  }

  async #writeGroup(): Promise<{ appends: number; events: number; bytes: number }> {
    let group: Group | undefined
    try {
      await this.makeReady()
      group = this.#queue.takeGroup(this.#head)
      if (this.#file === undefined) throw new Error('the audit trail is closed')
      if (group.events > 0) await this.#write(this.#file, Buffer.from(group.lines), group.head)
      else if (group.waiting.length > 0) await this.#tryWriting(this.#file)
      this.#failure = undefined
      for (const waiting of group.waiting) waiting.resolve(waiting.range)
    } catch (error) {
      this.#fail(error)
      for (const waiting of group?.waiting ?? this.#queue.takeAll()) waiting.reject(this.#failure)
    }
    const { waiting, events, lines } = group ?? { waiting: [], events: 0, lines: '' }
    return { appends: waiting.length, events, bytes: lines.length }
  }

  async #write(file: FileHandle, bytes: Buffer, head: ChainHead): Promise<void> {
    this.#dirty = true
    await writeFully(file, bytes)
    this.#dirty = false
    this.#size += bytes.length
    this.#head = head
    if (this.#size >= (this.#options.maxFileBytes ?? 256 << 20)) await this.#rotate(file)
  }

  /** What was just written is on disk: a failure here concerns the next group only. */
  async #rotate(file: FileHandle): Promise<void> {
    try {
      this.#file = await rotateTrailFile(this.#options.path, file)
      this.#size = 0
    } catch (error) {
      this.#options.log.error('the audit trail could not begin a new file', { error })
      await this.#forgetFile()
    }
  }

  async #tryWriting(file: FileHandle): Promise<void> {
    this.#dirty = true
    await writeFully(file, probeBytes)
    await this.#cutBack(file)
  }

  #fail(error: unknown): void {
    if (this.#failure === undefined) {
      this.#options.log.error('the audit trail cannot be written: nothing is issued', { error })
    }
    this.#failure = asUnwritable(error)
  }
}

async function writeFully(file: FileHandle, bytes: Buffer): Promise<void> {
  let written = 0
  while (written < bytes.length) {
    const part = await file.write(bytes, written, bytes.length - written)
    written += part.bytesWritten
  }
}

function asUnwritable(error: unknown): CountersignError {
  return isOurs(error) ? error : unwritable(error)
}

function isOurs(error: unknown): error is CountersignError {
  return error instanceof CountersignError && error.reason !== 'internal'
}

function cannotOpen(path: string, cause: unknown): CountersignError {
  const { code } = cause as NodeJS.ErrnoException
  const why = code === undefined ? '' : ` (${code})`
  return new CountersignError('unavailable', `the audit trail ${path} cannot be opened${why}`, {
    reason: 'audit-unwritable',
    fix: 'look at its folder: that it is there, its owner, its mode and its space',
    cause,
  })
}

function unwritable(cause: unknown): CountersignError {
  return new CountersignError('unavailable', 'the audit trail cannot be written', {
    reason: 'audit-unwritable',
    fix: 'make room on the disk that holds the audit trail, and see the server log',
    retryAfterMs: 1000,
    cause,
  })
}
