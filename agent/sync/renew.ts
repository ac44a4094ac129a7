import { asCountersignError, CountersignError } from '../../src/errors.ts'
import { createBackoff } from '../../src/runtime/backoff.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import type { Log } from '../../src/runtime/log.ts'
import { createOutage } from '../../src/runtime/outage.ts'
import { Slice } from '../../src/runtime/slice.ts'
import type { TrustDomain } from '../../src/spiffe-id/spiffe-id.ts'
import type { X509Svid } from '../../src/svid/x509-svid.ts'
import { readCertificate } from '../../src/x509/certificate.ts'
import type { Cache } from '../cache/cache.ts'
import { type HeldSvid, holdNewSvid, shownBy } from '../cache/held-svid.ts'
import { isEnded } from '../cache/snapshot.ts'
import { Wake } from '../cache/wake.ts'
import { type MakeKey, makeNewKey, type NewKey } from '../node-attestation/new-key.ts'
import { isPassing } from '../node-attestation/passing.ts'
import { type DueEntry, due } from './due.ts'
import { checkIssued } from './issued.ts'
import { Refusals } from './refusals.ts'

export interface SvidRequest {
  readonly entryId: string
  /** PKCS#10, DER. */
  readonly csr: Buffer
}

/** One batch over the wire: an answer for each request, in order: the chain (DER, leaf first), or why not. */
export type SignBatch = (
  requests: readonly SvidRequest[],
  signal: AbortSignal,
) => Promise<readonly (readonly Buffer[] | CountersignError)[]>

export interface RenewDeps {
  readonly cache: Cache
  readonly trustDomain: TrustDomain
  readonly sign: SignBatch
  /** What this agent shows the server: who shows another may be answered otherwise. */
  readonly shown: () => X509Svid | undefined
  readonly clock: Clock
  readonly log: Log
  readonly random?: () => number
  readonly makeKey?: MakeKey
  readonly maxBatch?: number
}

const defaultMaxBatch = 500
const keysAtOnce = 16
/** Notices SVIDs and entries that expire, and clocks that were set, without being told. */
const lookAtLeastEveryMs = 5000
const outageCapMs = 3000
const maxRetryAfterMs = 60_000

/** Keeps the SVIDs that are wanted there and fresh. One batch is under way at a time; what becomes due meanwhile goes into the next. */
export async function renew(deps: RenewDeps, signal: AbortSignal): Promise<void> {
  const renewal = new Renewal(deps)
  const wake = new Wake(deps.clock)
  const ignore = deps.cache.listen(() => wake.set())
  const backoff = createBackoff({ baseMs: 200, capMs: outageCapMs, ...randomOf(deps) })
  const { clock, log } = deps
  const outage = createOutage({
    ...{ lost: 'no SVIDs from the server; trying again', back: 'SVIDs come again', clock, log },
  })
  try {
    while (!signal.aborted) {
      deps.cache.settle()
      const plan = renewal.plan()
      if (plan.now.length === 0) {
        renewal.makeKeyAhead()
        await wake.wait(Math.min(plan.nextInMs ?? Infinity, lookAtLeastEveryMs), signal)
        continue
      }
      const batch = plan.now.slice(0, deps.maxBatch ?? defaultMaxBatch)
      try {
        await renewal.sign(batch, signal)
        backoff.reset()
        outage.over()
      } catch (error) {
        signal.throwIfAborted()
        const known = asCountersignError(error)
        const leastMs = Math.min(known.retryAfterMs ?? 0, maxRetryAfterMs)
        if (isPassing(known)) {
          outage.failed(known)
          await clock.sleep(Math.max(backoff.next(), leastMs), signal)
        } else renewal.refused(batch, known, leastMs)
      }
    }
  } finally {
    ignore()
  }
}

function randomOf(deps: RenewDeps): { random?: () => number } {
  return deps.random === undefined ? {} : { random: deps.random }
}

class Renewal {
  readonly #deps: RenewDeps
  readonly #refusals: Refusals
  #askedAs: X509Svid | undefined
  /** Keys whose request has not been answered yet, by entry id: a retry uses them again. */
  readonly #prepared = new Map<string, NewKey>()
  readonly #makeKey: MakeKey
  #spare: Promise<NewKey | undefined> | undefined

  constructor(deps: RenewDeps) {
    this.#deps = deps
    this.#refusals = new Refusals(deps.clock, deps.random ?? Math.random)
    this.#makeKey = deps.makeKey ?? makeNewKey
  }

  /** In a quiet moment, so that who waits for a first SVID does not wait for a key as well. */
  makeKeyAhead(): void {
    this.#spare ??= this.#makeKey().catch(() => undefined)
  }

  plan(): ReturnType<typeof due> {
    const { cache, clock, shown, trustDomain } = this.#deps
    const wanted = cache.wanted()
    if (shown() !== this.#askedAs) this.#refusals.clear()
    this.#askedAs = shown()
    this.#forgetUnwanted(new Set(wanted.map((entry) => entry.id)))
    const at = { now: clock.now(), monotonicMs: clock.monotonicMs() }
    return due(cache.snapshot, at, wanted, this.#refusals.held, cache.bundleOf(trustDomain))
  }

  /** Throws where the batch as a whole failed; what is wrong with one item is kept with that item. */
  async sign(batch: readonly DueEntry[], signal: AbortSignal): Promise<void> {
    const keys = await this.#keysFor(batch)
    const requests = batch.map(({ entry }, at) => ({
      entryId: entry.id,
      csr: (keys[at] as NewKey).csr,
    }))
    const answers = await this.#deps.sign(requests, signal)
    if (answers.length !== batch.length) {
      throw new CountersignError('internal', 'the server left requests without an answer', {
        reason: 'svid-answers',
      })
    }
    const slice = new Slice(this.#deps.clock)
    const svids = new Map<string, HeldSvid>()
    const handOn = (): void => {
      if (svids.size > 0) this.#deps.cache.put(svids)
      svids.clear()
    }
    for (const [at, item] of batch.entries()) {
      const held = this.#accept(item, keys[at] as NewKey, answers[at] ?? [])
      if (held !== undefined) svids.set(item.entry.id, held)
      if (!slice.isOver) continue
      handOn()
      await slice.rest()
    }
    handOn()
  }

  /** The server would answer nothing of the batch. What is new or changed meanwhile is asked for without it. */
  refused(batch: readonly DueEntry[], error: CountersignError, leastMs: number): void {
    const entries = batch.map(({ entry }) => entry)
    const waitMs = this.#refusals.putOff(entries, leastMs)
    this.#deps.log.warn('the server refuses a batch of SVIDs', {
      entries: entries.length,
      retryInMs: Math.round(waitMs),
      error,
    })
  }

  /** A few at a time: what all of them cost the loop would come in one piece. */
  async #keysFor(batch: readonly DueEntry[]): Promise<NewKey[]> {
    const keys: NewKey[] = []
    for (let from = 0; from < batch.length; from += keysAtOnce) {
      const some = batch.slice(from, from + keysAtOnce)
      keys.push(...(await Promise.all(some.map(({ entry }) => this.#keyFor(entry.id)))))
    }
    return keys
  }

  /** The SVID as it is held; undefined where it is refused. */
  #accept(
    { entry, reason }: DueEntry,
    key: NewKey,
    answer: readonly Buffer[] | CountersignError,
  ): HeldSvid | undefined {
    const { cache, clock, log, random = Math.random } = this.#deps
    this.#prepared.delete(entry.id)
    try {
      if (answer instanceof CountersignError) throw answer
      const at = { now: clock.now(), monotonicMs: clock.monotonicMs() }
      const svid = checkIssued({ entry, ...key }, answer, cache, at.now)
      const goodFrom = cache.snapshot.goodFrom.get(entry.id)
      // Servers that refuse those of before it are ahead of the one that has signed it.
      if (goodFrom !== undefined && isEnded(svid, goodFrom)) this.#refusals.putOff([entry])
      else this.#refusals.forget(entry.id)
      return holdNewSvid(svid, shownBy(entry), at, random())
    } catch (error) {
      const refused = asCountersignError(error)
      const misdatedMs = misdatedWaitMs(refused, answer)
      const waitMs = this.#refusals.putOff(
        [entry],
        Math.max(refused.retryAfterMs ?? 0, misdatedMs),
        misdatedMs > 0,
      )
      log.warn('an SVID could not be had', {
        entryId: entry.id,
        spiffeId: entry.spiffeId,
        because: reason,
        retryInMs: Math.round(waitMs),
        error: refused,
      })
      return undefined
    }
  }

  async #keyFor(id: string): Promise<NewKey> {
    const before = this.#prepared.get(id)
    if (before !== undefined) return before
    const spare = this.#spare
    this.#spare = undefined
    const key = (await spare) ?? (await this.#makeKey())
    this.#prepared.set(id, key)
    return key
  }

  #forgetUnwanted(wanted: ReadonlySet<string>): void {
    this.#refusals.keepOnly(wanted)
    for (const id of this.#prepared.keys()) if (!wanted.has(id)) this.#prepared.delete(id)
  }
}

/**
 * An SVID that is out of date when it comes says that the clock here or there is wrong. Another one
 * would be the same, so that there is one try in half a lifetime.
 */
function misdatedWaitMs(
  error: CountersignError,
  answer: readonly Buffer[] | CountersignError,
): number {
  const misdated =
    error.reason === 'svid-chain-expired' || error.reason === 'svid-chain-not-yet-valid'
  const leaf = answer instanceof CountersignError ? undefined : answer[0]
  if (!misdated || leaf === undefined) return 0
  const { notBefore, notAfter } = readCertificate(leaf)
  return (notAfter.getTime() - notBefore.getTime()) / 2
}
