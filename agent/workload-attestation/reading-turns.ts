/**
 * Who reads when: one file a user at a time, `width` of all of them, and each in turn by a slice, so
 * that a small file is read in the midst of large ones, whoever has those and however large they are.
 */
export class ReadingTurns {
  #free: number
  readonly #waiting: (() => void)[] = []
  readonly #last = new Map<number, Promise<unknown>>()

  constructor(width: number) {
    this.#free = width
  }

  /** Runs the job once those of the same user that came before have ended. */
  async afterOwn<T>(uid: number, job: () => Promise<T>): Promise<T> {
    const before = this.#last.get(uid)
    const run = async (): Promise<T> => {
      await before?.catch(() => {})
      return job()
    }
    const own = run()
    this.#last.set(uid, own)
    try {
      return await own
    } finally {
      if (this.#last.get(uid) === own) this.#last.delete(uid)
    }
  }

  /** Runs a slice of a job when its turn has come. */
  async slice<T>(work: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free -= 1
    else await new Promise<void>((resolve) => this.#waiting.push(resolve))
    try {
      return await work()
    } finally {
      const next = this.#waiting.shift()
      if (next === undefined) this.#free += 1
      else next()
    }
  }
}
