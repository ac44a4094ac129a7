import type { BundleLookup } from '../../src/bundle/bundle.ts'
import type { Entry } from '../../src/entry/entry.ts'
import { asCountersignError, CountersignError } from '../../src/errors.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import type { Log } from '../../src/runtime/log.ts'
import { untilAborted } from '../../src/runtime/until-aborted.ts'
import { SpiffeId } from '../../src/spiffe-id/spiffe-id.ts'
import { verifyJwtSvid } from '../../src/svid/jwt-svid.ts'
import type { Moment } from './held-svid.ts'
import { type JwtRecord, jwtKey, jwtRecord } from './jwt-record.ts'
import type { GoodFrom } from './snapshot.ts'
import { Wake } from './wake.ts'

/** What the Workload API gets JWT-SVIDs from. A call's signal is asked for only where it has to wait. */
export interface JwtSource {
  /** Throws what the server answers, and `unavailable` where there is none and no token is left. */
  fetch(
    entry: Entry,
    audience: readonly string[],
    call: { readonly signal: AbortSignal },
  ): Promise<{ token: string; expiresAt: Date }>
}

/** `NewJWTSVID` over the wire: a compact JWS. */
export type IssueJwt = (
  entryId: string,
  audience: readonly string[],
  signal: AbortSignal,
) => Promise<string>

export interface JwtCacheOptions {
  readonly issue: IssueJwt
  readonly bundles: BundleLookup
  /** Where a revocation has ended tokens of this entry. */
  readonly goodFrom: (entryId: string) => GoodFrom | undefined
  readonly clock: Clock
  readonly log: Log
  readonly random?: () => number
  readonly capacity?: number
}

const defaultCapacity = 1000
const issueTimeoutMs = 10_000
const renewedAtOnce = 8
const lookAtLeastEveryMs = 30_000
const retryAfterFailureMs = 2000

/**
 * JWT-SVIDs by entry and audience. One that is used is renewed before it is asked for again; while
 * no server answers, one is served until it expires.
 */
export class JwtCache implements JwtSource {
  readonly #options: JwtCacheOptions
  /** Least recently used first. */
  readonly #records = new Map<string, JwtRecord>()
  readonly #flights = new Map<string, Promise<JwtRecord>>()
  readonly #wake: Wake
  readonly #over = new AbortController()

  constructor(options: JwtCacheOptions) {
    this.#options = options
    this.#wake = new Wake(options.clock)
  }

  get size(): number {
    return this.#records.size
  }

  /** The records as they are, for the sealed cache. */
  records(): readonly JwtRecord[] {
    return [...this.#records.values()]
  }

  /** Takes back what was kept over a restart. */
  restore(records: readonly JwtRecord[]): void {
    for (const record of records) this.#keep(jwtKey(record.entry, record.audience), record)
  }

  async fetch(
    entry: Entry,
    audience: readonly string[],
    call: { readonly signal: AbortSignal },
  ): Promise<{ token: string; expiresAt: Date }> {
    // Each such token is to be another one.
    if (entry.jwtSvidIncludeJti) return this.#issue(entry, audience, call.signal)
    const key = jwtKey(entry, audience)
    const record = this.#records.get(key)
    if (record !== undefined && this.#isValid(record)) {
      this.#records.delete(key)
      this.#records.set(key, record)
      record.used = true
      if (record.renewAtMs <= this.#options.clock.monotonicMs()) this.#wake.set()
      return record
    }
    // The flight goes on for the others who wait for it.
    const issued = await untilAborted(this.#fly(key, entry, audience), call.signal)
    issued.used = true
    return issued
  }

  /** Forgets tokens signed by keys that are tainted or gone, those of before a revocation, and those of entries that changed. */
  retain(current: (id: string) => Entry | undefined): void {
    for (const [key, record] of this.#records) {
      const { entry } = record
      if (current(entry.id)?.revision !== entry.revision || !this.#isGood(record)) {
        this.#records.delete(key)
      }
    }
  }

  clear(): void {
    this.#records.clear()
  }

  /** Renews what is used, for as long as the signal lets it. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options
    try {
      while (!signal.aborted) {
        const nowMs = clock.monotonicMs()
        this.#forgetExpired()
        const due = [...this.#records]
          .filter(([, record]) => record.used && record.renewAtMs <= nowMs)
          .sort(([, a], [, b]) => a.renewAtMs - b.renewAtMs)
        if (due.length > 0 && !(await this.#renewSome(due.slice(0, renewedAtOnce)))) {
          await clock.sleep(retryAfterFailureMs, signal)
        } else if (due.length <= renewedAtOnce) {
          await this.#wake.wait(this.#nextInMs(), signal)
        }
        signal.throwIfAborted()
      }
    } finally {
      this.#over.abort()
    }
  }

  /** False where not one could be had. What could not is put off, so that others get their turn. */
  async #renewSome(due: readonly (readonly [string, JwtRecord])[]): Promise<boolean> {
    const { clock, log } = this.#options
    const done = await Promise.all(
      due.map(async ([key, record]) => {
        const { entry, audience } = record
        try {
          await this.#fly(key, entry, audience)
        } catch (error) {
          const { id: entryId, spiffeId } = entry
          log.warn('a JWT-SVID could not be renewed', { entryId, spiffeId, error })
        }
        const renewed = this.#records.get(key) !== record
        if (!renewed) record.renewAtMs = clock.monotonicMs() + retryAfterFailureMs
        return renewed
      }),
    )
    return done.includes(true)
  }

  #nextInMs(): number {
    const nowMs = this.#options.clock.monotonicMs()
    let nextMs = nowMs + lookAtLeastEveryMs
    for (const record of this.#records.values()) {
      if (record.renewAtMs > nowMs) nextMs = Math.min(nextMs, record.renewAtMs)
      else if (record.used) nextMs = nowMs
    }
    return nextMs - nowMs
  }

  #forgetExpired(): void {
    for (const [key, record] of this.#records) {
      if (!this.#isValid(record)) this.#records.delete(key)
    }
  }

  #isValid(record: JwtRecord): boolean {
    const { clock } = this.#options
    return record.expiresAtMs > clock.monotonicMs() && record.expiresAt > clock.now()
  }

  #isGood({ entry, keyId, issuedAt }: JwtRecord): boolean {
    const goodFrom = this.#options.goodFrom(entry.id)
    if (goodFrom !== undefined && issuedAt.getTime() < goodFrom.jwt * 1000) return false
    const bundle = this.#options.bundles.bundleOf(SpiffeId.trustDomainOf(entry.spiffeId))
    const key = bundle?.jwtAuthorities.find((authority) => authority.keyId === keyId)
    return key !== undefined && !key.tainted
  }

  /** One request at a time for one key, however many wait for it. */
  #fly(key: string, entry: Entry, audience: readonly string[]): Promise<JwtRecord> {
    const before = this.#flights.get(key)
    if (before !== undefined) return before
    const flight = this.#issue(entry, audience, this.#over.signal)
      .then((record) => {
        // A token of a key that was tainted meanwhile, or of the second of a revocation, is answered, and not kept.
        if (this.#isGood(record)) this.#keep(key, record)
        return record
      })
      .finally(() => this.#flights.delete(key))
    this.#flights.set(key, flight)
    return flight
  }

  async #issue(entry: Entry, audience: readonly string[], signal: AbortSignal): Promise<JwtRecord> {
    const { issue, bundles, clock, random = Math.random } = this.#options
    const token = await this.#within(issueTimeoutMs, signal, (limited) =>
      issue(entry.id, audience, limited),
    )
    const at: Moment = { now: clock.now(), monotonicMs: clock.monotonicMs() }
    try {
      const svid = await verifyJwtSvid(token, { audience, bundles, now: at.now })
      return jwtRecord(svid, { entry, audience }, at, random())
    } catch (error) {
      throw unusable(error)
    }
  }

  async #within<T>(
    ms: number,
    signal: AbortSignal,
    act: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const done = new AbortController()
    const late = new AbortController()
    const limit = this.#options.clock.sleep(ms, done.signal).then(
      () => late.abort(new CountersignError('deadline', 'no answer', { reason: 'jwt-late' })),
      () => undefined,
    )
    try {
      return await act(AbortSignal.any([signal, late.signal]))
    } finally {
      done.abort()
      await limit
    }
  }

  #keep(key: string, record: JwtRecord): void {
    const capacity = this.#options.capacity ?? defaultCapacity
    this.#records.delete(key)
    this.#records.set(key, record)
    for (const oldest of this.#records.keys()) {
      if (this.#records.size <= capacity) break
      this.#records.delete(oldest)
    }
    this.#wake.set()
  }
}

/** What the server sent is nothing that the workload could have done better. */
function unusable(cause: unknown): CountersignError {
  const { message, reason } = asCountersignError(cause)
  return new CountersignError('unavailable', `the server's token cannot be used: ${message}`, {
    reason,
    fix:
      reason === 'token-expired'
        ? 'compare the clocks of this machine and of the server'
        : 'see that agent and server are of one trust domain and version',
    cause,
  })
}
