import { CountersignError } from '../../src/errors.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import { flushEvery } from '../../src/runtime/flush-every.ts'
import type { Log } from '../../src/runtime/log.ts'
import { addIssuedTokens, type IssuedToken, pruneIssuedTokens } from '../store/issued-tokens.ts'
import type { Store } from '../store/store.ts'

/**
 * Remembers in the store what was issued and has not expired, for lists of who can reach what. The trail has it
 * before; here it is written a quarter of a second later, many at a time.
 */
export interface IssuedTokens {
  /** Before a token is signed. Throws `unavailable` `issued-unwritable` where too many wait to be written. */
  ready(): void
  note(token: IssuedToken): void
  /** Writes what waits. Never throws: what could not be written is tried again. */
  flush(): Promise<void>
  /** Flushes until the signal aborts, and then once more. */
  run(signal: AbortSignal): Promise<void>
}

const flushMs = 250
const pruneMs = 10_000
const maxWaiting = 10_000

export function createIssuedTokens(deps: {
  readonly store: Pick<Store, 'write'>
  readonly clock: Clock
  readonly log: Log
}): IssuedTokens {
  const { store, clock, log } = deps
  let waiting: IssuedToken[] = []
  let prunedMs = 0
  let failing = false
  const flush = async (): Promise<void> => {
    const nowMs = clock.monotonicMs()
    if (waiting.length === 0 && nowMs - prunedMs < pruneMs) return
    const batch = waiting
    waiting = []
    try {
      await store.write(async (tx) => {
        await addIssuedTokens(tx, batch)
        await pruneIssuedTokens(tx, clock.now(), 2 * batch.length + 1000)
      })
      prunedMs = nowMs
      failing = false
    } catch (error) {
      waiting = [...batch, ...waiting]
      if (!failing) log.error('tokens that were issued cannot be listed', { error })
      failing = true
    }
  }
  return {
    ready() {
      if (waiting.length < maxWaiting) return
      throw new CountersignError('unavailable', 'the store takes no more tokens', {
        reason: 'issued-unwritable',
        retryAfterMs: 1000,
      })
    },
    note: (token) => void waiting.push(token),
    flush,
    run: (signal) => flushEvery(clock, flushMs, flush, signal),
  }
}
