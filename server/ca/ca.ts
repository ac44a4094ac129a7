import type { AuditActor } from '../../src/audit/event.ts'
import type { CountersignError } from '../../src/errors.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import type { Log } from '../../src/runtime/log.ts'
import type { SpiffeId } from '../../src/spiffe-id/spiffe-id.ts'
import type { X509Svid } from '../../src/svid/x509-svid.ts'
import type { CertificateAuthority } from '../../src/x509/issue.ts'
import type { HeadOfTrail } from '../audit/sign-head.ts'
import type { Trail } from '../audit/trail.ts'
import type { ChangeBatch } from '../changes/changes.ts'
import type { WriteFacts } from '../revocation/write-facts.ts'
import type { AuthorityKind, AuthorityRecord } from '../store/records.ts'
import type { Store } from '../store/store.ts'
import { createClockGuard } from './clock-guard.ts'
import type { AccessTokenRequest, IssuedAccessToken } from './issue-access-token.ts'
import type { DownstreamCaRequest, IssuedCa } from './issue-ca.ts'
import type { IssuedJwt, JwtRequest } from './issue-jwt.ts'
import type { AskedX509, IssueAudit, IssuedX509 } from './issue-x509.ts'
import type { IssuerDeps, SignedX509 } from './issuer.ts'
import type { KeyManager } from './key-manager.ts'
import { loadLatestTime } from './latest-time.ts'
import type { Act } from './rotate.ts'
import type { RotationStep } from './rotation.ts'
import { type CaSettings, checkCaSettings, warningsOf } from './settings.ts'
import { StoredCa } from './stored-ca.ts'

export interface CaObserver {
  issued?(kind: 'x509' | 'jwt' | 'oauth', count: number, elapsedMs: number): void
  rotated?(kind: AuthorityKind, step: RotationStep['step']): void
}

export interface CaDeps {
  readonly store: Store
  readonly trail: Trail
  readonly keys: KeyManager
  readonly clock: Clock
  readonly log: Log
  readonly settings: CaSettings
  readonly judge?: IssuerDeps['judge']
  readonly writeFacts?: WriteFacts
  readonly observe?: CaObserver
}

export interface CaState {
  readonly active: AuthorityRecord | undefined
  readonly prepared: AuthorityRecord | undefined
  /** The one that signed last first. */
  readonly old: readonly AuthorityRecord[]
}

/**
 * The trust domain's signer. What it hands out is on record before: all issuing throws `unavailable`
 * with `audit-unwritable`, `clock-went-back`, `authority-missing`, `authority-ended` or, where the
 * authority was revoked between signature and answer, `authority-revoked`. What a tainted one has
 * signed goes out: it is replaced like all that it signed before.
 */
export interface Ca {
  readonly x509: { active(): CertificateAuthority }
  /** Signs a batch side by side, one audit write for all. In the order of the requests; a wrong one is an error of its own. */
  issueX509(asked: readonly AskedX509[]): Promise<readonly (IssuedX509 | CountersignError)[]>
  /**
   * One agent SVID with the agent's default lifetime. It is not on record yet: its event goes with the
   * transaction that keeps its serial, and nothing leaves before that is committed.
   */
  signAgentX509(
    id: SpiffeId,
    spki: Buffer,
    act: Pick<IssueAudit, 'actor' | 'requestId' | 'trace'>,
  ): Promise<SignedX509>
  issueJwt(request: JwtRequest): Promise<IssuedJwt>
  /** Signed with the key for access tokens, which is none of an SVID's. Throws `unauthenticated` `svid-ending` too. */
  issueAccessToken(request: AccessTokenRequest): Promise<IssuedAccessToken>
  /** Signs what is said of an access token (RFC 9701), with the key for access tokens; nobody can do a thing with it. */
  signIntrospection(claims: Record<string, unknown>): Promise<string>
  /**
   * Signs where the trail stands, with the key that signs nothing else. The one thing that is not on record before:
   * the head itself is put there.
   */
  signHead(head: HeadOfTrail): Promise<string>
  /** Signs what the feed of revocations says, with the feed's own key. */
  signFeed(claims: Record<string, unknown>): Promise<string>
  /** Signs what a receiver outside is told (RFC 8417), with the key that signs nothing else. */
  signEvent(claims: Record<string, unknown>): Promise<string>
  /** A CA below the active one, for a nested server. */
  issueDownstreamCa(request: DownstreamCaRequest): Promise<IssuedCa>
  /** A fresh key and SVID for this server's own listeners; the chain ends with the CA, for agents that pin it. */
  issueServerIdentity(): Promise<X509Svid>
  state(kind: AuthorityKind): CaState
  /** Makes a successor now, in the place of one that was prepared; of `jwt` one of the RS256 set too, where there is one. */
  prepare(kind: AuthorityKind, act: Act): Promise<AuthorityRecord>
  /**
   * Lets the prepared one take over now, and one of the RS256 set with one of `jwt`. For `jwt` the id may be
   * one of the RS256 set here and below. This and the next two throw `invalid` (`authority-id`,
   * `authority-unknown`, `authority-active`, `authority-not-old`) and `conflict`
   * (`authority-not-prepared`, `authority-not-tainted`).
   */
  activate(kind: AuthorityKind, id: string, act: Act): Promise<AuthorityRecord>
  /** Has all that an old one signed replaced. */
  taint(kind: AuthorityKind, id: string, act: Act): Promise<AuthorityRecord>
  /** Takes an old one that is tainted out of the bundle: nothing that it signed is good any more. */
  revoke(kind: AuthorityKind, id: string, act: Act): Promise<void>
  /** Takes the wall clock as right after it went back (`server clock accept`). Answers the time from now on. */
  acceptClock(actor: AuditActor, requestId?: string): Promise<Date>
  /** The latest time that anything may have been issued at: the wall clock may be behind it. */
  latestTime(): Date
  /** Why nothing can be issued at the moment. */
  ready(): CountersignError | undefined
  /** Another server may have rotated: reads the authorities again where the batch says so. */
  apply(batch: Pick<ChangeBatch, 'authoritiesChanged'>): void
  /** Resolves when what `apply` asked for has been read. */
  settled(): Promise<void>
  /** One look at the schedule; `run` does it at each tick. */
  tick(): Promise<void>
  /** Keeps the authorities rotating until the signal aborts. */
  run(signal: AbortSignal): Promise<void>
}

/**
 * Restores the authorities from the store; at the very first start makes and activates one of each
 * kind. Throws `invalid` (`ca-ttl`, `ca-key-kind`), `conflict` (`sealed-key-refused`,
 * `authority-slots`, `authority-certificate`) and what the store throws.
 */
export async function createCa(deps: CaDeps): Promise<Ca> {
  checkCaSettings(deps.settings)
  for (const warning of warningsOf(deps.settings)) deps.log.warn(warning)
  const guard = createClockGuard(deps.clock, await loadLatestTime(deps.store.db))
  const ca = new StoredCa(deps, guard)
  await ca.reload()
  const fault = guard.ready()
  if (fault === undefined) await ca.start()
  else deps.log.error(fault.message, { reason: fault.reason, fix: fault.fix })
  return ca
}
