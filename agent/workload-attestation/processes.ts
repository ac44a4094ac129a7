import { openProcessFiles } from './process-files.ts'
import type { ProcessIdentity, ProcessState } from './process-state.ts'

/** One process, for all of its connections. */
export interface HeldProcess {
  /** The serial number of the first connection that was made sure to be of this process. */
  provenSince: number
  /** True once its descriptors had to make room: whoever needs the process holds it anew. */
  readonly closed: boolean
  /** Undefined where the process is gone or a zombie, or no longer held. */
  look(): ProcessState | undefined
  /** As `look`, but once in one slice, which is a few milliseconds of work without a break. */
  lookIn(slice: object): ProcessState | undefined
}

export interface Held {
  readonly process: HeldProcess
  readonly identity: ProcessIdentity
}

interface Holding extends HeldProcess {
  holders: number
  identify(): ProcessIdentity | undefined
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
    let identity = holding?.identify()
    // What is open may be of a process before, whose number this was.
    if (holding !== undefined && identity === undefined) holding.close()
    if (holding === undefined || identity === undefined) {
      holding = this.#openAnew(pid)
      identity = holding?.identify()
    }
    if (holding === undefined) return undefined
    holding.holders += 1
    if (identity !== undefined) return { process: holding, identity }
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
    const files = openProcessFiles(pid)
    if (files === undefined) return undefined
    let closed = false
    let seenIn: object | undefined
    let seen: ProcessState | undefined
    const open = this.#open
    const holding: Holding = {
      holders: 0,
      provenSince: Number.POSITIVE_INFINITY,
      identify: () => (closed ? undefined : files.identify()),
      get closed() {
        return closed
      },
      look() {
        if (closed) return undefined
        open.delete(pid)
        open.set(pid, holding)
        return files.look()
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
        files.close()
      },
    }
    open.set(pid, holding)
    return holding
  }
}
