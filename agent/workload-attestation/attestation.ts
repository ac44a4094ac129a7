import type { Selector } from '../../src/entry/entry.ts'
import { sortSelectors } from '../../src/entry/selector.ts'
import { CountersignError } from '../../src/errors.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import type { Log } from '../../src/runtime/log.ts'
import type { Asking, PeerProcess, WorkloadAttestor } from './attestor.ts'
import { type Caller, changed, peerProcessOf } from './caller.ts'
import type { FairQueue } from './fair-queue.ts'
import type { ProcessState } from './process-state.ts'

/** What is known of a caller, and the means to make sure that it still holds. */
export interface Attested {
  /** Sorted, distinct. */
  readonly selectors: readonly Selector[]
  /**
   * Looks again and throws `unavailable` (`caller-gone`, `caller-changed`) where anything differs from
   * what the selectors were read from. To be called right before each answer. In one `slice` one look
   * counts for all connections of a process.
   */
  confirm(slice?: object): void
  /** Runs a job in turn with other users' work: for messages that nobody waits for. It must not throw. */
  inTurn(job: (slice: object | undefined) => void): void
}

/** A call, and whether it is over: a signal is made only where somebody asks for it. */
export interface AskingCall extends Asking {
  readonly ended: boolean
}

export interface Attestation {
  attest(caller: Caller, call: AskingCall): Promise<Attested>
  /** How often each attestor failed, by type. */
  readonly failures: ReadonlyMap<string, number>
}

export interface AttestationDeps {
  readonly attestors: readonly WorkloadAttestor[]
  readonly queue: FairQueue
  readonly clock: Clock
  readonly log: Log
  /** How long one attestor may take. */
  readonly timeoutMs: number
}

const logEveryMs = 10_000
/** A call is as much work as so many other jobs: its answer goes out in the same turn of the loop. */
const callJobs = 16
type Result = readonly Selector[] | Promise<readonly Selector[]>

interface Begun {
  readonly before: ProcessState
  readonly result: Result
}

export function createAttestation(deps: AttestationDeps): Attestation {
  const failures = new Map<string, number>()
  const loggedAtMs = new Map<string, number>()

  const failed = (attestor: WorkloadAttestor, process: PeerProcess, error: unknown): void => {
    failures.set(attestor.type, (failures.get(attestor.type) ?? 0) + 1)
    // A caller can provoke this at will: one line in a while, the count says the rest.
    const nowMs = deps.clock.monotonicMs()
    if (nowMs - (loggedAtMs.get(attestor.type) ?? -logEveryMs) < logEveryMs) return
    loggedAtMs.set(attestor.type, nowMs)
    deps.log.warn('a workload attestor failed; its selectors are missing', {
      attestor: attestor.type,
      pid: process.pid,
      uid: process.uid,
      failures: failures.get(attestor.type),
      error,
    })
  }

  const selectorsOf = (process: PeerProcess, call: Asking): Result => {
    const results = deps.attestors.map((attestor): Result | undefined => {
      try {
        const asking = new OneAttestor(call)
        const result = attestor.attest(process, asking)
        if (!(result instanceof Promise)) return result
        return withDeadline(result, deps, asking)
      } catch (error) {
        failed(attestor, process, error)
        return undefined
      }
    })
    const only = results[0]
    if (results.length === 1 && only !== undefined && !(only instanceof Promise)) return only
    if (!results.some((result) => result instanceof Promise)) {
      return merged(results as (readonly Selector[] | undefined)[])
    }
    const settled = results.map(async (result, index) => {
      try {
        return await result
      } catch (error) {
        call.signal.throwIfAborted()
        const attestor = deps.attestors[index]
        if (attestor !== undefined) failed(attestor, process, error)
        return undefined
      }
    })
    return Promise.all(settled).then(merged)
  }

  const begin = (caller: Caller, call: Asking): Begun => {
    const before = caller.look()
    return { before, result: selectorsOf(peerProcessOf(caller.credentials, before), call) }
  }
  const inTurn = (caller: Caller, call: AskingCall): Promise<Begun> =>
    new Promise((resolve, reject) => {
      deps.queue.soon(caller.credentials.uid, () => {
        try {
          // Who had to wait may have left.
          if (call.ended) call.signal.throwIfAborted()
          deps.queue.weigh(callJobs)
          resolve(begin(caller, call))
        } catch (error) {
          reject(error)
        }
      })
    })

  return {
    failures,
    async attest(caller, call) {
      const { before, result } = await inTurn(caller, call)
      return {
        selectors: result instanceof Promise ? await result : result,
        confirm(slice) {
          if (caller.look(slice).rights !== before.rights) throw changed()
        },
        inTurn: (job) => deps.queue.later(caller.credentials.uid, job),
      }
    },
  }
}

export function askingUntil(signal: AbortSignal): AskingCall {
  return {
    signal,
    get ended() {
      return signal.aborted
    },
  }
}

function merged(results: readonly (readonly Selector[] | undefined)[]): readonly Selector[] {
  const known = results.filter((result) => result !== undefined)
  if (known.length === 0) {
    throw new CountersignError('unavailable', 'the calling process could not be attested', {
      reason: 'attestation-failed',
    })
  }
  return sortSelectors(known.flat())
}

/** The call, for one attestor: over once that has answered, or may answer no more. */
class OneAttestor implements Asking {
  readonly #call: Asking
  #over: AbortController | undefined

  constructor(call: Asking) {
    this.#call = call
  }

  get signal(): AbortSignal {
    this.#over ??= new AbortController()
    return AbortSignal.any([this.#call.signal, this.#over.signal])
  }

  end(): void {
    this.#over?.abort()
  }
}

async function withDeadline<T>(
  result: Promise<T>,
  deps: Pick<AttestationDeps, 'clock' | 'timeoutMs'>,
  asking: OneAttestor,
): Promise<T> {
  const late = deps.clock.sleep(deps.timeoutMs, asking.signal).then(() => {
    throw new CountersignError('deadline', 'the attestor took too long', {
      reason: 'attestor-timeout',
    })
  })
  late.catch(() => {})
  try {
    return await Promise.race([result, late])
  } finally {
    asking.end()
  }
}
