import type { Entry } from '../../src/entry/entry.ts'
import { CountersignError } from '../../src/errors.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import { timeAtLeast } from '../../src/runtime/time-at-least.ts'
import { SpiffeId } from '../../src/spiffe-id/spiffe-id.ts'
import { LEEWAY_SECONDS } from '../../src/svid/jwt-svid.ts'
import type { Store } from '../store/store.ts'
import { giveTokenBack, type SingleUse, useToken } from '../store/used-tokens.ts'
import type { Client } from './spiffe-client-auth.ts'

/** Uses a token up; `undefined` where it was used before: for all callers but one, on however many servers. */
export type UseOnce = (token: SingleUse) => Promise<UsedUp | undefined>

export interface UsedUp {
  /** Makes it unused again, since nothing has come of it. Throws as the store. */
  giveBack(): Promise<void>
}

export function usesIn(
  store: Pick<Store, 'write'>,
  clock: Pick<Clock, 'now' | 'monotonicMs'>,
): UseOnce {
  const time = timeAtLeast(clock)
  return async (token) => {
    if (!(await store.write((tx) => useToken(tx, token, time())))) return undefined
    return { giveBack: () => store.write((tx) => giveTokenBack(tx, token)) }
  }
}

/**
 * Uses the client's JWT-SVID up where one of its entries says that each proves it once. Throws `unauthenticated`
 * `client-assertion-jti`, `client-assertion-replayed`, and as `useOnce`.
 */
export async function useUpAssertion(
  { spiffeId, method, jti, expiresAt }: Client,
  entries: readonly Pick<Entry, 'jwtSvidSingleUse'>[],
  useOnce: UseOnce,
): Promise<void> {
  if (method !== 'spiffe_jwt' || !entries.some((entry) => entry.jwtSvidSingleUse)) return
  if (jti === undefined) {
    return refuse('client-assertion-jti', 'the assertion has no jti, by which it is known once')
  }
  const issuer = `spiffe://${SpiffeId.trustDomainOf(spiffeId)}`
  // It is taken for that much longer.
  const forgotten = new Date(expiresAt.getTime() + LEEWAY_SECONDS * 1000)
  if ((await useOnce({ issuer, jti, expiresAt: forgotten })) === undefined) {
    refuse('client-assertion-replayed', 'the assertion was used before')
  }
}

function refuse(reason: string, message: string): never {
  throw new CountersignError('unauthenticated', message, {
    reason,
    fix: 'fetch a JWT-SVID for each request',
  })
}
