import type { FactKind } from '../../src/revocation/fact.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import type { Log } from '../../src/runtime/log.ts'
import { createOutage } from '../../src/runtime/outage.ts'
import { Slice } from '../../src/runtime/slice.ts'
import { aborted } from '../../src/runtime/tasks.ts'
import type { Changes } from '../changes/changes.ts'
import type { Revocations } from '../revocation/revocations.ts'
import type { IssuedToken } from '../store/issued-tokens.ts'
import type { Store } from '../store/store.ts'
import type { IssuedTokens } from './issued-tokens.ts'
import { writeWithdrawals } from './withdraw.ts'

export interface OrphanDeps {
  readonly store: Pick<Store, 'write'>
  readonly changes: Pick<Changes, 'subscribe'>
  readonly revocations: Pick<Revocations, 'find' | 'write'>
  readonly issued: Pick<IssuedTokens, 'good'>
  readonly clock: Clock
  readonly log: Log
}

const againMs = 1000

/** A fact of another kind ends what was exchanged by itself, or says nothing about it. */
const followed: ReadonlySet<FactKind> = new Set(['token', 'key'])

/**
 * Whenever a token was revoked, by whomever, or a key that has signed tokens, and at the start, revokes what was exchanged
 * for it: whoever had the key may have made what it was exchanged for. Until the signal aborts.
 *
 * It looks once the fact has come by the change log. From then on this server exchanges the token no more, and what it has
 * issued before is among what waits to be written, or in the store: nothing can slip in between. What another server has
 * issued, that one finds so. A fact that is written here comes by the change log too, and is looked at in its turn.
 */
export async function runOrphans(deps: OrphanDeps, signal: AbortSignal): Promise<void> {
  const { changes, clock, log } = deps
  let isDue = true
  const outage = createOutage({
    lost: 'what was exchanged for revoked tokens lives on',
    back: 'what was exchanged for revoked tokens has ended',
    ...{ level: 'error', clock, log },
  })
  let woken = new AbortController()
  const stop = changes.subscribe(({ facts }) => {
    if (!facts.some(({ kind }) => followed.has(kind))) return
    isDue = true
    woken.abort()
  })
  try {
    while (!signal.aborted) {
      woken = new AbortController()
      if (!isDue) await aborted(AbortSignal.any([woken.signal, signal]))
      if (signal.aborted) return
      isDue = false
      try {
        await endOrphans(deps)
        outage.over()
      } catch (error) {
        outage.failed(error)
        isDue = true
        await clock.sleep(againMs, signal)
      }
    }
  } finally {
    stop()
  }
}

/** Once through all that was exchanged. */
async function endOrphans(deps: OrphanDeps): Promise<void> {
  const { issued, revocations, clock } = deps
  const slice = new Slice(clock)
  const ended = new Set<string>()
  const isOver = (jti: string): boolean =>
    ended.has(jti) || revocations.find('token', jti) !== undefined
  const isForged = (keyId: string | undefined): boolean =>
    keyId !== undefined && revocations.find('key', keyId) !== undefined
  const isOrphan = (token: IssuedToken): boolean =>
    token.parent !== undefined &&
    (isOver(token.parent) || isForged(token.from?.keyId)) &&
    // One that an epoch ends has a fact of its own all the same: what was exchanged for it is found by that.
    revocations.find('token', token.jti) === undefined &&
    revocations.find('transaction', token.txn) === undefined
  const decision = { reason: 'parent-revoked', policies: [] }
  for await (const page of issued.good({ exchanged: true })) {
    const orphans = page.filter(isOrphan)
    for (const { jti } of orphans) ended.add(jti)
    await writeWithdrawals(
      orphans.map((token) => ({ token, decision })),
      undefined,
      deps,
    )
    if (slice.isOver) await slice.rest()
  }
}
