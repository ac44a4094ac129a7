import { openProcess } from './process-file.ts'
import type { ProcessState } from './process-state.ts'

/** One process, for all of its connections. */
export interface HeldProcess {
  /** The serial number of the first connection that was made sure to be of this process. */
  provenSince: number
  /** True once its descriptor had to make room: whoever needs the process holds it anew. */
  readonly closed: boolean
  /** Undefined where the process is gone or a zombie, or no longer held. */
  look(): ProcessState | undefined
  /** As `look`, but once in one slice, which is a few milliseconds of work without a break. */
  lookIn(slice: object): ProcessState | undefined
}

export interface Held {
  readonly process: HeldProcess
  /** As it was found. */
  readonly state: ProcessState
}

interface Holding extends HeldProcess {
  holders: number
  close(): void
}

/**
 * The processes that callers are, each opened once however many connections it has. At most
 * `capacity` are open; the one that was looked at longest ago makes room.
 */
export class Processes {
  readonly #capacity: number
  /** By pid, least recently used first. */
  readonly #open = new Map<number, Holding>()

  constructor(capacity: number) {
    this.#capacity = Math.max(1, capacity)
  }

  get size(): number {
    return this.#open.size
  }

  /**
   * The process that has this number now; undefined where there is none. Where it is not proven, the
   * caller has to make sure that the number is still that of the process which it means. To be given
   * back by `release`.
   */
  hold(pid: number): Held | undefined {
    let holding = this.#open.get(pid)
    let state = holding?.look()
    // What is open may be of a process before, whose number this was.
    if (holding !== undefined && state === undefined) holding.close()
    if (holding === undefined || state === undefined) {
      holding = this.#openAnew(pid)
      state = holding?.look()
    }
    if (holding === undefined) return undefined
    holding.holders += 1
    if (state !== undefined) return { process: holding, state }
    this.release(holding)
    return undefined
  }

  release(process: HeldProcess): void {
    const holding = process as Holding
    holding.holders -= 1
    if (holding.holders === 0) holding.close()
  }

  #openAnew(pid: number): Holding | undefined {
    if (this.#open.size >= this.#capacity) {
      const [longest] = this.#open.values()
      longest?.close()
    }
    const file = openProcess(pid)
    if (file === undefined) return undefined
    let closed = false
    let seenIn: object | undefined
    let seen: ProcessState | undefined
    const open = this.#open
    const holding: Holding = {
      holders: 0,
      provenSince: Number.POSITIVE_INFINITY,
      get closed() {
        return closed
      },
      look() {
        if (closed) return undefined
        open.delete(pid)
        open.set(pid, holding)
        return file.look()
      },
      lookIn(slice) {
        if (seenIn !== slice) {
          seenIn = slice
          seen = holding.look()
        }
        return seen
      },
      close() {
        if (closed) return
        closed = true
        if (open.get(pid) === holding) open.delete(pid)
        file.close()
      },
    }
    open.set(pid, holding)
    return holding
  }
}
