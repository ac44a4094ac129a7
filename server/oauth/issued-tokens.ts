import { CountersignError } from '../../src/errors.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import { flushEvery } from '../../src/runtime/flush-every.ts'
import type { Log } from '../../src/runtime/log.ts'
import { timeAtLeast } from '../../src/runtime/time-at-least.ts'
import { IssuedBatch } from '../store/issued-batch.ts'
import {
  addIssuedGrants,
  type IssuedToken,
  issuedTokens,
  pruneIssuedGrants,
  type TokenFilter,
} from '../store/issued-tokens.ts'
import type { Store } from '../store/store.ts'

/**
 * Remembers in the store what was issued and has not expired, for lists of who can reach what. The trail has it
 * before; here it is written a quarter of a second later, many at a time.
 */
export interface IssuedTokens {
  /** Before a token is signed. Throws `unavailable` `issued-unwritable` where too many wait to be written, or for too long. */
  ready(): void
  note(token: IssuedToken): void
  /** As `issuedTokens`, and before these what is not in the store yet: what is noted before the first page is in them. */
  good(filter: GoodFilter): AsyncGenerator<readonly IssuedToken[], void, void>
  /** Before it runs: writes what a run of the server before this one has issued, and had no time to write. */
  resume(issued: readonly IssuedToken[]): Promise<void>
  /** Writes what waits, what could not be written again and again, until the signal aborts, and then once more. */
  run(signal: AbortSignal): Promise<void>
}

export type GoodFilter = Pick<TokenFilter, 'spiffeId' | 'exchanged'>

const pageTokens = 500
const flushMs = 250
/** As long a store may take nothing before no token is issued any more: whatever is issued then nobody could revoke. */
const maxFailingMs = 1000
const pruneMs = 10_000
/** More tokens than this, and those on their way, never wait. */
export const maxUnwritten = 10_000

export function createIssuedTokens(deps: {
  readonly store: Pick<Store, 'db' | 'write'>
  readonly clock: Clock
  readonly log: Log
  /** Gets each batch that is begun, to which what is noted until the next flush is added. */
  readonly begun?: (batch: IssuedBatch) => void
}): IssuedTokens {
  const { store, clock, log, begun } = deps
  const time = timeAtLeast(clock)
  let open: IssuedBatch | undefined
  let waiting: readonly IssuedBatch[] = []
  /** How many tokens are in these. */
  let count = 0
  let prunedMs = 0
  /** By the monotonic clock; undefined: what was written last was taken. */
  let failingSinceMs: number | undefined
  const flush = async (): Promise<void> => {
    const nowMs = clock.monotonicMs()
    const batches = open === undefined ? waiting : [...waiting, open]
    open = undefined
    if (batches.length === 0 && nowMs - prunedMs < pruneMs) return
    waiting = batches
    const rows = batches.flatMap((batch) => batch.close())
    try {
      await store.write(async (tx) => {
        await addIssuedGrants(tx, rows)
        await pruneIssuedGrants(tx, time(), 2 * rows.length + 1000)
      })
      waiting = waiting.filter((batch) => !batches.includes(batch))
      for (const { size } of batches) count -= size
      prunedMs = nowMs
      if (failingSinceMs !== undefined) log.info('tokens that were issued can be listed again')
      failingSinceMs = undefined
    } catch (error) {
      if (failingSinceMs !== undefined) return
      log.error('tokens that were issued cannot be listed', { error })
      failingSinceMs = nowMs
    }
  }
  return {
    ready() {
      const isFailing =
        failingSinceMs !== undefined && clock.monotonicMs() - failingSinceMs >= maxFailingMs
      if (count < maxUnwritten && !isFailing) return
      throw new CountersignError('unavailable', 'the store takes no more tokens', {
        reason: 'issued-unwritable',
        retryAfterMs: 1000,
      })
    },
    note(token) {
      if (open === undefined) {
        open = new IssuedBatch()
        begun?.(open)
      }
      open.add(token)
      count += 1
    },
    async *good(filter) {
      const now = clock.now()
      const unwritten = [...waiting, open ?? []].flat().flatMap((batch) => batch.tokens())
      const fitting = unwritten.filter((token) => token.expiresAt > now && fits(token, filter))
      for (let at = 0; at < fitting.length; at += pageTokens) {
        yield fitting.slice(at, at + pageTokens)
      }
      // They may be written meanwhile, and come again.
      const had = new Set(fitting.map(({ jti }) => jti))
      for await (const page of issuedTokens(store.db, filter, { now })) {
        yield page.filter(({ jti }) => !had.has(jti))
      }
    },
    async resume(issued) {
      const missing = new Map(issued.map((token) => [token.jti, token]))
      if (missing.size === 0) return
      const issuedSince = new Date(Math.min(...issued.map((token) => token.issuedAt.getTime())))
      for await (const page of issuedTokens(store.db, { issuedSince }, { now: clock.now() })) {
        for (const { jti } of page) missing.delete(jti)
      }
      const batch = new IssuedBatch()
      for (const token of missing.values()) batch.add(token)
      waiting = [...waiting, batch]
      count += batch.size
      await flush()
    },
    run: (signal) => flushEvery(clock, flushMs, flush, signal),
  }
}

function fits(token: IssuedToken, { spiffeId, exchanged }: GoodFilter): boolean {
  if (exchanged === true && token.parent === undefined) return false
  return spiffeId === undefined || token.clientId === spiffeId || token.subject === spiffeId
}
