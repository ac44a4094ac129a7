import type { Clock } from '../../src/runtime/clock.ts'

/** Runs without a break with the others that are given the same slice. It must not throw. */
type Job = (slice: object | undefined) => void

const maxPutOffMs = 8

/**
 * Runs short synchronous jobs in turn: one a user, round and round, however many one of them brings.
 * After a slice of a few milliseconds (or a few jobs, since what a job sets off runs in the same turn
 * of the loop) everything else gets its turn.
 *
 * A turn of the loop accepts one connection, in the order in which they were made, whoever made them.
 * While there are more, most turns do only that: who stands behind a thousand of another user is at
 * his turn in this queue soon.
 */
export class FairQueue {
  readonly #clock: Clock
  readonly #sliceMs: number
  readonly #sliceJobs: number
  readonly #waiting = new Map<number, Job[]>()
  #sliceEndMs = 0
  #jobsLeft = 0
  #armed = false
  #lastSliceMs = Number.NEGATIVE_INFINITY
  #putOff = false

  constructor(
    clock: Clock,
    options: { readonly sliceMs?: number; readonly sliceJobs?: number } = {},
  ) {
    this.#clock = clock
    this.#sliceMs = options.sliceMs ?? 4
    this.#sliceJobs = options.sliceJobs ?? 128
  }

  /** How many jobs wait. */
  get length(): number {
    let length = 0
    for (const jobs of this.#waiting.values()) length += jobs.length
    return length
  }

  /** Runs the job at once, without a slice, if nobody waits and there is time; else in its turn. */
  soon(uid: number, job: Job): void {
    if (this.#waiting.size === 0 && this.#hasTime()) job(undefined)
    else this.#enqueue(uid, job)
  }

  /** For what nobody waits for: never at once, and many in one slice. */
  later(uid: number, job: Job): void {
    this.#arm()
    this.#enqueue(uid, job)
  }

  /** Puts the next slice off by a turn, unless the last is some milliseconds ago. */
  putOff(): void {
    this.#putOff = true
  }

  /** For a job that sets off as much work as so many others. */
  weigh(jobs: number): void {
    this.#jobsLeft -= jobs - 1
  }

  #enqueue(uid: number, job: Job): void {
    const jobs = this.#waiting.get(uid)
    if (jobs === undefined) this.#waiting.set(uid, [job])
    else jobs.push(job)
  }

  #arm(): void {
    if (this.#armed) return
    this.#armed = true
    this.#jobsLeft = this.#sliceJobs
    this.#sliceEndMs = this.#clock.monotonicMs() + this.#sliceMs
    setImmediate(() => this.#nextSlice())
  }

  #hasTime(): boolean {
    this.#arm()
    this.#jobsLeft -= 1
    return this.#jobsLeft >= 0 && this.#clock.monotonicMs() < this.#sliceEndMs
  }

  #nextSlice(): void {
    this.#armed = false
    const nowMs = this.#clock.monotonicMs()
    const isPutOff = this.#putOff && nowMs < this.#lastSliceMs + maxPutOffMs
    this.#putOff = false
    if (isPutOff) {
      this.#arm()
      return
    }
    const slice = {}
    while (this.#waiting.size > 0 && this.#hasTime()) this.#runNext(slice)
    this.#lastSliceMs = this.#clock.monotonicMs()
  }

  #runNext(slice: object): void {
    for (const [uid, jobs] of this.#waiting) {
      const job = jobs.shift()
      if (jobs.length === 0) this.#waiting.delete(uid)
      else if (this.#waiting.size > 1) {
        // Behind the others: the map keeps the order in which its keys came.
        this.#waiting.delete(uid)
        this.#waiting.set(uid, jobs)
      }
      job?.(slice)
      return
    }
  }
}
