import { type Clock, sleepUnlessWoken } from '../../src/runtime/clock.ts'
import type { Log } from '../../src/runtime/log.ts'
import type { Changes } from '../changes/changes.ts'
import { type Crossing, crossing } from '../revocation/crossing.ts'
import { claimsOfIssued } from '../revocation/good-tokens.ts'
import type { Revocations } from '../revocation/revocations.ts'
import { IssuedBatch } from '../store/issued-batch.ts'
import type { IssuedToken } from '../store/issued-tokens.ts'
import type { IssuedBefore } from './run-before.ts'
import { type WithdrawDeps, writeWithdrawals } from './withdraw.ts'

/**
 * What was issued here while a fact was on its way: after the second that the fact names, and before this server knew of
 * it. No verifier would refuse it, so that it is revoked by itself as soon as the fact is here.
 */
export interface CrossedTokens {
  /** To which what is issued here from now on is added, until it is closed. */
  watch(batch: IssuedBatch): void
  /** Before it runs: what a run of the server before this one has issued, which may have ended before it was told. */
  resume(issued: readonly IssuedBefore[]): void
  /** Until the signal aborts. */
  run(signal: AbortSignal): Promise<void>
}

/** How long before the last look at the log a fact that comes now may have been dated: its transaction takes time. */
const keepMs = 5000
const againMs = 1000
/** For how long before its end what a run of the server has issued is to be noted by the next: it may have looked a second ago. */
export const notedOfRunBeforeMs: number = keepMs + 2000

/** `closedMs`: when it was closed at the latest; undefined: it may still grow. */
interface Watched {
  readonly batch: IssuedBatch
  readonly closedMs: number | undefined
}

export function createCrossedTokens(
  deps: WithdrawDeps & {
    readonly changes: Pick<Changes, 'subscribe' | 'onLook'>
    readonly revocations: Pick<Revocations, 'judge' | 'write' | 'since'>
    readonly clock: Clock
    readonly log: Log
  },
): CrossedTokens {
  const { changes, revocations, clock, log } = deps
  let watched: readonly Watched[] = []
  let found: readonly IssuedToken[] = []
  let woken = new AbortController()
  let before: readonly IssuedBefore[] = []

  const look = (state: Crossing, among: () => readonly IssuedToken[]): void => {
    if (state.size === 0) return
    const crossed = among().filter((token) => {
      const claims = claimsOfIssued(token)
      return (
        state.judge(claims) !== undefined && revocations.judge(claims, token.keyId) === undefined
      )
    })
    if (crossed.length === 0) return
    found = [...found, ...crossed]
    woken.abort()
  }
  const lookAtRunBefore = (): void => {
    const byNumber = [...Map.groupBy(before, ({ factsUpTo }) => factsUpTo)]
    let facts = revocations.since(0)
    const state = crossing([])
    // From the last ones on, so that each fact is taken on once, however many tokens there are.
    for (const [number, issued] of byNumber.sort(([a], [b]) => b - a)) {
      const first = facts.findLastIndex((fact) => fact.number <= number) + 1
      state.add(facts.slice(first))
      facts = facts.slice(0, first)
      look(state, () => issued.map(({ token }) => token))
    }
    before = []
  }
  const revoke = async (): Promise<void> => {
    const tokens = found
    found = []
    const decision = { reason: 'revoked-meanwhile', policies: [] }
    try {
      await writeWithdrawals(
        tokens.map((token) => ({ token, decision })),
        undefined,
        deps,
      )
    } catch (error) {
      found = [...tokens, ...found]
      log.error('what was issued as it was revoked could not be revoked', { error })
    }
  }
  const watch = (batch: IssuedBatch): void => {
    watched = [...watched, { batch, closedMs: undefined }]
  }
  return {
    watch,
    resume(issued) {
      const batch = new IssuedBatch()
      for (const { token } of issued) batch.add(token)
      batch.close()
      watch(batch)
      before = issued
    },
    async run(signal) {
      const stops = [
        changes.subscribe(({ facts }) =>
          look(crossing(facts), () => watched.flatMap(({ batch }) => batch.tokens())),
        ),
        changes.onLook((sinceMs) => {
          const nowMs = clock.monotonicMs()
          watched = watched.flatMap(({ batch, closedMs = batch.isClosed ? nowMs : undefined }) => {
            const isOver = closedMs !== undefined && closedMs <= sinceMs - keepMs
            return isOver ? [] : { batch, closedMs }
          })
        }),
      ]
      lookAtRunBefore()
      try {
        while (!signal.aborted) {
          await sleepUnlessWoken(clock, againMs, woken.signal, signal)
          woken = new AbortController()
          if (found.length > 0) await revoke()
        }
      } finally {
        for (const stop of stops) stop()
      }
    },
  }
}
