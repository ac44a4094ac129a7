import type { Entry } from '../../src/entry/entry.ts'
import type { PolicyQuestion } from '../../src/policy/question.ts'
import { type Clock, sleepUnlessWoken } from '../../src/runtime/clock.ts'
import type { Log } from '../../src/runtime/log.ts'
import { Slice } from '../../src/runtime/slice.ts'
import { aborted } from '../../src/runtime/tasks.ts'
import { SpiffeId, type TrustDomain } from '../../src/spiffe-id/spiffe-id.ts'
import { legacyTokenSeconds } from '../legacy/legacy-caller.ts'
import type { Policies } from '../policy/policies.ts'
import type { Revocations } from '../revocation/revocations.ts'
import type { IssuedToken } from '../store/issued-tokens.ts'
import type { Store } from '../store/store.ts'
import type { FederatedAuthenticator } from './federated/federated.ts'
import type { IssuedTokens } from './issued-tokens.ts'
import { legacyAuth } from './legacy-door.ts'
import type { ForeignClients } from './open-foreign-clients.ts'
import type { Resource } from './resource-settings.ts'
import { type Withdrawal, writeWithdrawals } from './withdraw.ts'

export interface RecheckDeps {
  readonly store: Pick<Store, 'write'>
  readonly issued: Pick<IssuedTokens, 'good'>
  readonly policies: Pick<Policies, 'decide' | 'onChange' | 'revision'>
  readonly resources: ReadonlyMap<string, Resource>
  readonly entriesOf: (id: SpiffeId) => readonly Entry[]
  readonly revocations: Pick<Revocations, 'find' | 'write'>
  /** The rules on tokens of other issuers; undefined: there are none. */
  readonly federated?: Pick<FederatedAuthenticator, 'gives' | 'onChange'> | undefined
  readonly foreignClients: Pick<ForeignClients, 'onChange'>
  readonly trustDomain: TrustDomain
  readonly clock: Clock
  readonly log: Log
}

/**
 * When it is looked once more: by then what was decided before has been written down, by whichever server; the last time
 * also what took as long as an answer may (`answerWithinMs`), while the trail or the store was slow.
 */
export const lateMs = [2000, 12_000] as const
const againMs = 1000

/**
 * Decides anew on all tokens that are good, whenever other policies, other rules on tokens of other issuers, or another
 * list of workloads of other trust domains have come into force, and at the start; and again later, for what was under
 * way. Revokes those that nobody would get now. Until the signal aborts.
 */
export async function runRecheck(deps: RecheckDeps, signal: AbortSignal): Promise<void> {
  const { policies, federated, foreignClients, clock, log } = deps
  let woken = new AbortController()
  const wake = (): void => woken.abort()
  const stops = [policies, federated, foreignClients].map((one) => one?.onChange(wake))
  try {
    while (!signal.aborted) {
      woken = new AbortController()
      try {
        await recheck(deps)
        let sinceMs = 0
        for (const ms of lateMs) {
          await sleepUnlessWoken(clock, ms - sinceMs, woken.signal, signal)
          if (woken.signal.aborted) break
          await recheck(deps)
          sinceMs = ms
        }
        await aborted(AbortSignal.any([woken.signal, signal]))
      } catch (error) {
        signal.throwIfAborted()
        log.error('what was granted could not be decided anew', { error })
        await clock.sleep(againMs, signal)
      }
    }
  } finally {
    for (const stop of stops) stop?.()
  }
}

/** Once through all, or through those that this ID holds or that speak for it; resolves with how many were revoked. Nothing is decided before any policy has been in force. */
export async function recheck(deps: RecheckDeps, spiffeId?: SpiffeId): Promise<number> {
  const { issued, policies, revocations, clock, log } = deps
  const { revision } = policies
  if (revision === '') return 0
  const slice = new Slice(clock)
  /** The change log has yet to tell of these. */
  const ended = new Set<string>()
  let withdrawn = 0
  for await (const page of issued.good({ spiffeId })) {
    const found: Withdrawal[] = []
    for (const token of page) {
      if (ended.has(token.txn) || isRevoked(token, revocations)) continue
      const decision = decideAgain(token, deps)
      if (decision !== undefined) {
        found.push({ token, decision })
        if (token.parent === undefined) ended.add(token.txn)
      }
      if (slice.isOver) await slice.rest()
    }
    await writeWithdrawals(found, revision, deps)
    withdrawn += found.length
  }
  if (withdrawn > 0) {
    log.warn('tokens were revoked, as nobody would get them now', {
      withdrawn,
      spiffeId,
      revision,
    })
  }
  return withdrawn
}

/** One that an epoch has ended gets a fact of its own all the same: not every epoch ends what was exchanged for it. */
function isRevoked({ jti, txn }: IssuedToken, revocations: Pick<Revocations, 'find'>): boolean {
  return (revocations.find('token', jti) ?? revocations.find('transaction', txn)) !== undefined
}

/**
 * The same question as at that time, about the entries as they are now; undefined where it cannot be put: what became
 * of an entry that is gone has been revoked with it. With a workload of another trust domain that is listed no more
 * nothing has been. No token outlives an entry whose end was moved forward.
 */
function decideAgain(
  token: IssuedToken,
  { policies, resources, entriesOf, federated, trustDomain }: RecheckDeps,
): Withdrawal['decision'] | undefined {
  const { scopes, auth, address, issuedAt, rule } = token
  if (rule !== undefined && federated?.gives(rule, 'access_token') !== true) {
    return { reason: 'policy-rule', policies: [] }
  }
  const entries = entriesOf(token.clientId)
  if (entries.length === 0 && SpiffeId.trustDomainOf(token.clientId) !== trustDomain) {
    return { reason: 'client-unknown', policies: [] }
  }
  if (entries.some(({ expiresAt }) => expiresAt !== undefined && expiresAt < token.expiresAt)) {
    return { reason: 'entry-ends', policies: [] }
  }
  if (address === '') return undefined
  const resource = resources.get(token.audience) ?? { id: token.audience, maxTtlSeconds: 0 }
  const { maxTtlSeconds } = resource
  const ttlSeconds =
    auth === legacyAuth ? Math.min(legacyTokenSeconds, maxTtlSeconds) : maxTtlSeconds
  const asked = { resource, scopes, auth, address, ttlSeconds }
  const shown = shownTo(token)
  if (shown === undefined) return undefined
  for (const entry of entries) {
    const decision = policies.decide({ ...asked, ...shown, entry } as PolicyQuestion, issuedAt)
    if (!decision.allowed) return decision
  }
  return undefined
}

function shownTo({ parent, from, subject, actors }: IssuedToken) {
  if (parent === undefined) return { action: 'issueToken' } as const
  return (
    from && {
      ...{ action: 'exchangeToken', subject, actors: actors.slice(actors.length - from.depth) },
      ...{ audience: from.audience, depth: actors.length },
    }
  )
}
