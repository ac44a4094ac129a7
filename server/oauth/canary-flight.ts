import { hash, randomUUID } from 'node:crypto'
import { asCountersignError } from '../../src/errors.ts'
import type { IdentitySource } from '../../src/mtls/identity-source.ts'
import { canaryScope } from '../../src/revocation/canary.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import { canaryId } from '../../src/spiffe-id/reserved.ts'
import type { TrustDomain } from '../../src/spiffe-id/spiffe-id.ts'
import type { Ca } from '../ca/ca.ts'
import type { Changes } from '../changes/changes.ts'
import type { Revocations } from '../revocation/revocations.ts'
import type { Store } from '../store/store.ts'
import type { SelfTestCall } from './self-test-call.ts'

/** What became of one canary: how long its service took it after it was revoked, or why that is not known. */
export type Flight =
  | { readonly refusedAfterMs: number }
  | { readonly failure: 'not-taken' | 'not-refused' }
  | { readonly failure: 'unreachable' | 'not-issued'; readonly error: unknown }

export interface FlightDeps {
  readonly trustDomain: TrustDomain
  readonly issuer: string
  readonly ca: Pick<Ca, 'issueAccessToken'>
  readonly source: IdentitySource
  readonly revocations: Pick<Revocations, 'write'>
  readonly store: Pick<Store, 'write'>
  readonly changes: Pick<Changes, 'reached'>
  /** Of a service that is this slow nothing more is to be learnt. */
  readonly patienceMs: number
  readonly clock: Clock
}

const ttlSeconds = 60
const pollMs = 5

/** Mints a canary for a resource, has it taken, revokes it, and waits until it is refused. Throws where the signal aborts. */
export async function flyCanary(
  resource: string,
  call: SelfTestCall,
  deps: FlightDeps,
  signal: AbortSignal,
): Promise<Flight> {
  const { clock, patienceMs } = deps
  let issued: Awaited<ReturnType<typeof mint>>
  try {
    issued = await mint(resource, deps)
  } catch (error) {
    return { failure: 'not-issued', error }
  }
  try {
    if (!(await call.takes(issued.token))) return { failure: 'not-taken' }
    const revokedMs = clock.monotonicMs()
    await revoke(issued, deps)
    for (;;) {
      const taken = await call.takes(issued.token)
      const elapsedMs = clock.monotonicMs() - revokedMs
      if (!taken) return { refusedAfterMs: elapsedMs }
      if (elapsedMs > patienceMs) return { failure: 'not-refused' }
      await clock.sleep(pollMs, signal)
    }
  } catch (error) {
    signal.throwIfAborted()
    const { reason } = asCountersignError(error)
    return { failure: reason === 'self-test-unreachable' ? 'unreachable' : 'not-issued', error }
  }
}

/** Bound to the server's own certificate, so that nobody else could show it. */
async function mint(resource: string, { ca, source, issuer, trustDomain }: FlightDeps) {
  const svid = source.svid()
  const id = canaryId(trustDomain)
  const [leaf] = svid.chain
  const confirmation = hash('sha256', leaf ?? Buffer.alloc(0), 'base64url')
  const [jti, transaction] = [randomUUID(), randomUUID()]
  const issued = await ca.issueAccessToken({
    ...{ spiffeId: id, audience: resource, jti, ttlSeconds, notAfter: svid.expiresAt },
    claims: {
      ...{ iss: issuer, client_id: id, scope: canaryScope, txn: transaction },
      cnf: { 'x5t#S256': confirmation },
    },
    audit: {
      actor: { kind: 'server' },
      ...{ scope: [canaryScope], transaction, confirmation, reason: 'canary' },
    },
  })
  return { jti, transaction, resource, token: issued.token, expiresAt: issued.expiresAt }
}

async function revoke(
  { jti, transaction, resource, expiresAt }: Awaited<ReturnType<typeof mint>>,
  { store, revocations, changes, clock, trustDomain }: FlightDeps,
): Promise<void> {
  const position = await store.write((tx) => {
    tx.audit({
      kind: 'revocation.written',
      time: clock.now(),
      actor: { kind: 'server' },
      spiffeId: canaryId(trustDomain),
      ...{ jti, transaction, audience: [resource], decision: 'allow', reason: 'canary' },
      details: { kind: 'token', id: jti },
    })
    return revocations.write(tx, [{ kind: 'token', id: jti, endsAt: expiresAt, canary: true }])
  })
  await changes.reached(position)
}
