import type { AuditEvent } from '../../src/audit/event.ts'
import { CountersignError } from '../../src/errors.ts'
import { signCompact, type TokenType } from '../../src/jwt/sign.ts'
import { feedType } from '../../src/revocation/feed-message.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import { serverId } from '../../src/spiffe-id/reserved.ts'
import type { SpiffeId } from '../../src/spiffe-id/spiffe-id.ts'
import type { X509Svid } from '../../src/svid/x509-svid.ts'
import { generateKeyPair, spkiOf } from '../../src/x509/key.ts'
import { type HeadOfTrail, signHead } from '../audit/sign-head.ts'
import type { Trail } from '../audit/trail.ts'
import type { Revocations } from '../revocation/revocations.ts'
import { refuseBornDead } from '../revocation/svid-status.ts'
import { hasAuthority } from '../store/authorities.ts'
import type { AuthorityKind } from '../store/records.ts'
import type { WriteTx } from '../store/store.ts'
import type { Authorities, JwtKey } from './authorities.ts'
import type { ClockGuard } from './clock-guard.ts'
import {
  type AccessTokenRequest,
  accessTokenClaims,
  accessTokenEvent,
  type IssuedAccessToken,
} from './issue-access-token.ts'
import {
  type DownstreamCaRequest,
  downstreamCaEvent,
  type IssuedCa,
  signDownstreamCa,
} from './issue-ca.ts'
import { type IssuedJwt, type JwtRequest, jwtEvent, signJwt } from './issue-jwt.ts'
import {
  type AskedX509,
  type IssueAudit,
  type IssuedX509,
  signX509,
  signX509Batch,
  type X509Request,
  x509Event,
} from './issue-x509.ts'
import { type CaSettings, type JwtKind, jwtKindFor } from './settings.ts'

/** An SVID that is not on record yet. */
export interface SignedX509 {
  readonly svid: IssuedX509
  readonly event: AuditEvent
  /**
   * To be asked in the transaction that records it. Throws `unavailable` `authority-revoked` where what
   * has signed it was revoked since.
   */
  confirm(tx: Pick<WriteTx, 'db'>): Promise<void>
  /** To be called once it is on record and committed, for the metrics. */
  left(): void
}

export interface IssuerDeps {
  readonly trail: Pick<Trail, 'append'>
  readonly clock: Clock
  readonly settings: CaSettings
  /** What ends a token of these claims; none where it is absent. */
  readonly judge?: Revocations['judge'] | undefined
  readonly observe?: {
    issued?(kind: 'x509' | 'jwt' | 'oauth', count: number, elapsedMs: number): void
  }
}

/** Signs with the authorities of the moment: sign, put on record, look once more, hand out. */
export class Issuer {
  readonly #deps: IssuerDeps
  readonly #guard: ClockGuard
  readonly #authorities: () => Authorities

  constructor(deps: IssuerDeps, guard: ClockGuard, authorities: () => Authorities) {
    this.#deps = deps
    this.#guard = guard
    this.#authorities = authorities
  }

  async issueX509(
    asked: readonly AskedX509[],
  ): Promise<readonly (IssuedX509 | CountersignError)[]> {
    if (asked.length === 0) return []
    const { settings, trail, clock, observe } = this.#deps
    const startedMs = clock.monotonicMs()
    const now = this.#guard.now()
    const { id, authority } = activeX509(this.#authorities(), now)
    const answers = await signX509Batch(asked, authority, settings, now)
    const events = answers.flatMap((answer) =>
      answer instanceof CountersignError ? [] : [x509Event(answer.request, answer.issued, id, now)],
    )
    if (events.length > 0) {
      await trail.append(events)
      this.#confirm(id)
      observe?.issued?.('x509', events.length, clock.monotonicMs() - startedMs)
    }
    return answers.map((answer) => (answer instanceof CountersignError ? answer : answer.issued))
  }

  signAgentX509(
    spiffeId: SpiffeId,
    spki: Buffer,
    act: Pick<IssueAudit, 'actor' | 'requestId' | 'trace'>,
  ): Promise<SignedX509> {
    return this.#sign({ spiffeId, spki, ttlSeconds: 0, kind: 'agent', audit: act })
  }

  async issueJwt(request: JwtRequest): Promise<IssuedJwt> {
    const { settings, trail, clock, observe } = this.#deps
    const startedMs = clock.monotonicMs()
    const now = this.#guard.now()
    const key = activeJwt(this.#authorities(), now, jwtKindFor(request.audience, settings))
    const issued = await signJwt(request, key, settings, now)
    await trail.append([jwtEvent(request, issued, key.keyId, now)])
    this.#confirm(key.keyId)
    observe?.issued?.('jwt', 1, clock.monotonicMs() - startedMs)
    return issued
  }

  async issueAccessToken(request: AccessTokenRequest): Promise<IssuedAccessToken> {
    const { trail, clock, judge, observe } = this.#deps
    const startedMs = clock.monotonicMs()
    const now = this.#guard.now()
    const key = activeJwt(this.#authorities(), now, 'oauth')
    const { keyId, signer } = key
    const claims = accessTokenClaims(request, key, now)
    const token = await signCompact(signer, keyId, claims, 'at+jwt')
    // What was revoked while it was signed as well.
    refuseBornDead(judge?.(claims, keyId))
    const issuedAt = new Date(claims.iat * 1000)
    const expiresAt = new Date(claims.exp * 1000)
    const issued = { token, keyId, issuedAt, expiresAt }
    await trail.append([accessTokenEvent(request, issued, now)])
    this.#confirm(keyId)
    observe?.issued?.('oauth', 1, clock.monotonicMs() - startedMs)
    return issued
  }

  signIntrospection(claims: Record<string, unknown>): Promise<string> {
    return this.#signAs('oauth', claims, 'token-introspection+jwt')
  }

  async signHead(head: HeadOfTrail): Promise<string> {
    const now = this.#guard.now()
    const authorities = this.#authorities()
    const { keyId, signer } = activeJwt(authorities, now, 'trail')
    const prepared = authorities.records
      .filter(({ kind, slot }) => kind === 'trail' && slot === 'prepared')
      .map(({ publicKey }) => publicKey)
    const { trustDomain } = this.#deps.settings
    const signed = await signHead(head, { trustDomain, keyId, signer, prepared }, now)
    this.#confirm(keyId)
    return signed
  }

  signFeed(claims: Record<string, unknown>): Promise<string> {
    return this.#signAs('feed', claims, feedType)
  }

  signEvent(claims: Record<string, unknown>): Promise<string> {
    return this.#signAs('events', claims, 'secevent+jwt')
  }

  async issueDownstreamCa(request: DownstreamCaRequest): Promise<IssuedCa> {
    const { settings, trail } = this.#deps
    const now = this.#guard.now()
    const { id, authority } = activeX509(this.#authorities(), now)
    const issued = await signDownstreamCa(request, authority, settings, now)
    await trail.append([downstreamCaEvent(request, issued, settings, id, now)])
    this.#confirm(id)
    return issued
  }

  async issueServerIdentity(): Promise<X509Svid> {
    const { privateKey } = await generateKeyPair('ec-p256')
    const spiffeId = serverId(this.#deps.settings.trustDomain)
    const {
      svid: issued,
      id,
      authority,
      event,
      left,
    } = await this.#sign(
      {
        spiffeId,
        spki: spkiOf(privateKey),
        ttlSeconds: 0,
        kind: 'server',
        audit: { actor: { kind: 'server', id: spiffeId } },
      },
      // A server whose clock went back has to be up for its operator to say that the clock is right.
      this.#guard.latest(),
    )
    await this.#deps.trail.append([event])
    this.#confirm(id)
    left()
    return {
      spiffeId,
      chain: [...issued.chain, authority],
      privateKey: privateKey.export({ format: 'der', type: 'pkcs8' }),
      notBefore: issued.notBefore,
      expiresAt: issued.expiresAt,
    }
  }

  async #signAs(kind: JwtKind, claims: Record<string, unknown>, typ: TokenType): Promise<string> {
    const { keyId, signer } = activeJwt(this.#authorities(), this.#guard.now(), kind)
    const signed = await signCompact(signer, keyId, claims, typ)
    this.#confirm(keyId)
    return signed
  }

  /** The last look before what an authority has signed is handed out. */
  #confirm(authorityId: string): void {
    if (!this.#authorities().records.some(({ id }) => id === authorityId)) throw authorityRevoked()
  }

  async #sign(
    request: X509Request,
    now: Date = this.#guard.now(),
  ): Promise<SignedX509 & { readonly id: string; readonly authority: Buffer }> {
    const { settings, clock, observe } = this.#deps
    const startedMs = clock.monotonicMs()
    const { id, authority } = activeX509(this.#authorities(), now)
    const svid = await signX509(request, authority, settings, now)
    return {
      svid,
      id,
      event: x509Event(request, svid, id, now),
      async confirm({ db }) {
        if (!(await hasAuthority(db, id))) throw authorityRevoked()
      },
      authority: authority.certificate.der,
      left: () => observe?.issued?.('x509', 1, clock.monotonicMs() - startedMs),
    }
  }
}

/** Throws `unavailable`: `authority-missing`, `authority-ended`. */
export function activeX509(
  { x509: active }: Authorities,
  now: Date,
): NonNullable<Authorities['x509']> {
  if (active === undefined) throw missing('x509')
  if (now >= active.authority.certificate.notAfter) throw ended('x509')
  return active
}

/** Throws as `activeX509`. */
export function activeJwt({ jwt }: Authorities, now: Date, kind: JwtKind): JwtKey {
  const active = jwt[kind]
  if (active === undefined) throw missing(kind)
  if (now >= active.notAfter) throw ended(kind)
  return active
}

function missing(kind: AuthorityKind): CountersignError {
  return new CountersignError('unavailable', `there is no ${kind} authority to sign with`, {
    reason: 'authority-missing',
    retryAfterMs: 1000,
  })
}

function ended(kind: AuthorityKind): CountersignError {
  return new CountersignError('unavailable', `the ${kind} authority has ended`, {
    reason: 'authority-ended',
    retryAfterMs: 1000,
  })
}

function authorityRevoked(): CountersignError {
  return new CountersignError('unavailable', 'what has signed this was revoked meanwhile', {
    reason: 'authority-revoked',
    fix: 'ask again: another authority signs by now',
    retryAfterMs: 1000,
  })
}
