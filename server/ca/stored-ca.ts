import type { AuditActor } from '../../src/audit/event.ts'
import { CountersignError } from '../../src/errors.ts'
import type { SpiffeId } from '../../src/spiffe-id/spiffe-id.ts'
import type { X509Svid } from '../../src/svid/x509-svid.ts'
import type { HeadOfTrail } from '../audit/sign-head.ts'
import type { ChangeBatch } from '../changes/changes.ts'
import { loadAuthorities } from '../store/authorities.ts'
import type { AuthorityKind, AuthorityRecord } from '../store/records.ts'
import {
  askToActivate,
  askToActivateBoth,
  askToPrepare,
  askToRevoke,
  askToTaint,
  setOf,
} from './asked.ts'
import { type Authorities, noAuthorities, openAuthorities } from './authorities.ts'
import type { Ca, CaDeps, CaState } from './ca.ts'
import type { ClockGuard } from './clock-guard.ts'
import type { AccessTokenRequest, IssuedAccessToken } from './issue-access-token.ts'
import type { DownstreamCaRequest, IssuedCa } from './issue-ca.ts'
import type { IssuedJwt, JwtRequest } from './issue-jwt.ts'
import type { AskedX509, IssueAudit, IssuedX509 } from './issue-x509.ts'
import { activeJwt, activeX509, Issuer, type SignedX509 } from './issuer.ts'
import { saveLatestTime } from './latest-time.ts'
import { type Act, type Decision, rotate } from './rotate.ts'
import { tickMs } from './rotation.ts'
import { keyKindsOf } from './settings.ts'

const saveEveryMs = 5000
/** Looks at the schedule in a row that may fail before the server is not ready. */
const maxFailures = 10

/** The authorities as the store has them, in memory; what they sign goes through the `Issuer`. */
export class StoredCa implements Ca {
  readonly x509: Ca['x509']
  readonly #deps: CaDeps
  readonly #guard: ClockGuard
  readonly #issuer: Issuer
  #authorities: Authorities = noAuthorities
  #reloading: Promise<void> = Promise.resolve()
  #stale = false
  /** Somebody has changed the authorities in the database; what is in memory was read before. */
  #refused: CountersignError | undefined
  #savedMs = 0
  /** Looks at the schedule that have failed since the last that has not. */
  #failures = 0

  constructor(deps: CaDeps, guard: ClockGuard) {
    this.#deps = deps
    this.#guard = guard
    this.#issuer = new Issuer(deps, guard, () => this.#authorities)
    this.x509 = { active: () => activeX509(this.#authorities, guard.now()).authority }
  }

  issueX509(asked: readonly AskedX509[]): Promise<readonly (IssuedX509 | CountersignError)[]> {
    return this.#issuer.issueX509(asked)
  }

  signAgentX509(
    id: SpiffeId,
    spki: Buffer,
    act: Pick<IssueAudit, 'actor' | 'requestId' | 'trace'>,
  ): Promise<SignedX509> {
    return this.#issuer.signAgentX509(id, spki, act)
  }

  issueJwt(request: JwtRequest): Promise<IssuedJwt> {
    return this.#issuer.issueJwt(request)
  }

  issueAccessToken(request: AccessTokenRequest): Promise<IssuedAccessToken> {
    return this.#issuer.issueAccessToken(request)
  }

  signIntrospection(claims: Record<string, unknown>): Promise<string> {
    return this.#issuer.signIntrospection(claims)
  }

  signHead(head: HeadOfTrail): Promise<string> {
    return this.#issuer.signHead(head)
  }

  signFeed(claims: Record<string, unknown>): Promise<string> {
    return this.#issuer.signFeed(claims)
  }

  signEvent(claims: Record<string, unknown>): Promise<string> {
    return this.#issuer.signEvent(claims)
  }

  issueDownstreamCa(request: DownstreamCaRequest): Promise<IssuedCa> {
    return this.#issuer.issueDownstreamCa(request)
  }

  issueServerIdentity(): Promise<X509Svid> {
    return this.#issuer.issueServerIdentity()
  }

  state(kind: AuthorityKind): CaState {
    const own = this.#authorities.records.filter((record) => record.kind === kind)
    return {
      active: own.find(({ slot }) => slot === 'active'),
      prepared: own.find(({ slot }) => slot === 'prepared'),
      old: own.filter(({ slot }) => slot === 'old').reverse(),
    }
  }

  async prepare(kind: AuthorityKind, act: Act): Promise<AuthorityRecord> {
    const sets = [...keyKindsOf(this.#deps.settings).keys()].filter(
      (set) => set === kind || (kind === 'jwt' && set === 'jwt-rs256'),
    )
    await this.rotate(act, (records) => sets.flatMap((set) => askToPrepare(set)(records)))
    return present(this.state(kind).prepared)
  }

  async activate(kind: AuthorityKind, id: string, act: Act): Promise<AuthorityRecord> {
    const set = setOf(this.#authorities.records, kind, id)
    const now = this.#guard.now()
    await this.rotate(act, set === 'jwt' ? askToActivateBoth(id, now) : askToActivate(set, id, now))
    return present(this.state(set).active)
  }

  async taint(kind: AuthorityKind, id: string, act: Act): Promise<AuthorityRecord> {
    const set = setOf(this.#authorities.records, kind, id)
    await this.rotate(act, askToTaint(set, id))
    return present(this.state(set).old.find((record) => record.id === id))
  }

  revoke(kind: AuthorityKind, id: string, act: Act): Promise<void> {
    return this.rotate(act, askToRevoke(setOf(this.#authorities.records, kind, id), id))
  }

  async acceptClock(actor: AuditActor, requestId?: string): Promise<Date> {
    const { trail, store, clock, log } = this.#deps
    await trail.append([
      {
        kind: 'clock.accepted',
        time: clock.now(),
        actor,
        decision: 'allow',
        requestId,
        details: { before: this.#guard.latest().toISOString() },
      },
    ])
    const { before, after } = this.#guard.accept()
    log.warn('the clock was accepted', { before, after })
    await saveLatestTime(store, after)
    this.#savedMs = after.getTime()
    return after
  }

  latestTime(): Date {
    return this.#guard.latest()
  }

  ready(): CountersignError | undefined {
    const fault = this.#guard.ready() ?? this.#deps.trail.ready() ?? this.#refused
    if (fault !== undefined) return fault
    if (this.#failures > maxFailures) return rotationFailing()
    try {
      const now = this.#guard.now()
      activeX509(this.#authorities, now)
      for (const kind of keyKindsOf(this.#deps.settings).keys()) {
        if (kind !== 'x509') activeJwt(this.#authorities, now, kind)
      }
      return undefined
    } catch (error) {
      if (error instanceof CountersignError) return error
      throw error
    }
  }

  apply(batch: Pick<ChangeBatch, 'authoritiesChanged'>): void {
    if (!batch.authoritiesChanged) return
    this.#reloading = this.#reloading
      .then(() => this.#read())
      .catch((error: unknown) => {
        // What is in memory goes on signing; the next tick reads again.
        this.#stale = true
        this.#deps.log.error('the authorities could not be read', { error })
      })
  }

  settled(): Promise<void> {
    return this.#reloading
  }

  async tick(): Promise<void> {
    const { trail, log } = this.#deps
    try {
      await trail.probe()
      if (this.#stale) await this.reload()
      const fault = this.#guard.ready()
      if (fault !== undefined) throw fault
      await this.rotate()
      await this.#saveTime(saveEveryMs)
      this.#failures = 0
    } catch (error) {
      if (this.#failures === 0) log.error('the authorities cannot be looked after', { error })
      this.#failures += 1
    }
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock, settings, log } = this.#deps
    try {
      while (!signal.aborted) {
        await clock.sleep(tickMs(settings.caTtlSeconds), signal)
        await this.tick()
      }
    } catch (error) {
      if (!signal.aborted) throw error
    } finally {
      await this.#saveTime(0).catch((error: unknown) => {
        log.warn('the latest time seen could not be kept', { error })
      })
    }
  }

  /** The first look at the schedule. Only without anything to sign with does a failure stop the start. */
  async start(): Promise<void> {
    const { x509, jwt } = this.#authorities
    if (x509 === undefined || jwt.jwt === undefined) await this.rotate()
    else await this.tick()
  }

  /** Takes the steps that `decision` (default: the schedule) asks for, and reads back what came of it. */
  async rotate(act?: Act, decision?: Decision): Promise<void> {
    const { log, observe } = this.#deps
    const { records } = this.#authorities
    const steps = await rotate(this.#deps, records, this.#guard.now(), act, decision)
    if (steps.length === 0) return
    await this.reload()
    for (const step of steps) {
      observe?.rotated?.(step.kind, step.step)
      log.info(`authority: ${step.step}`, { ...step })
    }
  }

  async reload(): Promise<void> {
    const reading = this.#reloading.then(() => this.#read())
    this.#reloading = reading.catch(() => undefined)
    await reading
  }

  async #read(): Promise<void> {
    const { store, keys, settings } = this.#deps
    const records = await loadAuthorities(store.db).catch((error: unknown) => {
      const refused = error instanceof CountersignError && error.reason === 'authority-row-refused'
      this.#refused = refused ? error : undefined
      throw error
    })
    this.#refused = undefined
    this.#authorities = await openAuthorities(
      settings.trustDomain,
      records,
      keys,
      this.#authorities,
    )
    this.#stale = false
  }

  async #saveTime(everyMs: number): Promise<void> {
    const latest = this.#guard.latest()
    if (latest.getTime() - this.#savedMs < everyMs) return
    await saveLatestTime(this.#deps.store, latest)
    this.#savedMs = latest.getTime()
  }
}

function rotationFailing(): CountersignError {
  return new CountersignError('unavailable', 'the authorities cannot be looked after', {
    reason: 'rotation-failing',
    fix: 'see the log: without a successor, nothing is issued once the authority of now has ended',
  })
}

function present(record: AuthorityRecord | undefined): AuthorityRecord {
  if (record !== undefined) return record
  throw new CountersignError('conflict', 'the authorities were changed at the same time', {
    reason: 'authority-raced',
    fix: 'look at them and try again',
  })
}
