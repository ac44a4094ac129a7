import type { Bundle } from '../../src/bundle/bundle.ts'
import { isUntainted, signersOf } from '../../src/bundle/key-ids.ts'
import { asCountersignError, CountersignError } from '../../src/errors.ts'
import { createBackoff } from '../../src/runtime/backoff.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import type { Log } from '../../src/runtime/log.ts'
import { createOutage } from '../../src/runtime/outage.ts'
import type { Secret } from '../../src/runtime/secret.ts'
import type { SpiffeId, TrustDomain } from '../../src/spiffe-id/spiffe-id.ts'
import type { X509Svid } from '../../src/svid/x509-svid.ts'
import type { KeyStore, StoredIdentity } from '../key-store/key-store.ts'
import { fetchBundle, joinWithToken, renewAgentSvid } from './attest.ts'
import type { ServerConnection } from './connection.ts'
import { type FreshSvid, freshSvid, isAlive } from './freshness.ts'
import { isPassing } from './passing.ts'
import { compareClocks } from './server-clock.ts'
import type { ServerTrust } from './server-trust.ts'

export interface IdentityDeps {
  readonly trustDomain: TrustDomain
  readonly store: KeyStore
  readonly trust: ServerTrust
  readonly connection: ServerConnection
  /** The join token, asked for only when this node has to be proved; undefined: there is none. */
  readonly joinToken: () => Promise<Secret | undefined>
  /** What the agent verifies its own SVID with once it follows a server. */
  readonly bundle: () => Bundle | undefined
  readonly clock: Clock
  readonly log: Log
  readonly random?: () => number
}

const retryCapMs = 3000
/** What is refused, here or there, is so the next time too, until somebody has set a clock, say. */
const refusedCapMs = 60_000
const minRenewMs = 500
const lookMs = 1000
const apartWorthSayingMs = 60_000

/** The SVID that this agent shows: obtained, renewed, and kept so that no crash locks it out. */
export class AgentIdentity {
  readonly #deps: IdentityDeps
  #stored: StoredIdentity | undefined
  #tried: Secret | undefined
  /** The last SVID that came, if any came since the start. */
  #fresh: FreshSvid | undefined
  /** The server has refused the pending SVID; the current one is shown again. */
  #pendingRefused = false

  constructor(deps: IdentityDeps) {
    this.#deps = deps
  }

  /** Reads what an earlier run has kept. */
  async load(): Promise<void> {
    this.#stored = await this.#deps.store.loadIdentity()
  }

  /** The join token that was last tried; only another one is worth a new try. */
  get tried(): Secret | undefined {
    return this.#tried
  }

  get agentId(): SpiffeId | undefined {
    return this.#stored?.current.spiffeId
  }

  /** What the next connection shows: a renewed SVID first, since showing it is what makes it count. */
  shown(): X509Svid | undefined {
    const { current, pending } = this.#stored ?? {}
    return pending !== undefined && !this.#pendingRefused ? pending : current
  }

  /** Whether there is an SVID that has not expired. */
  isAlive(): boolean {
    const shown = this.shown()
    return shown !== undefined && isAlive(shown, this.#fresh, this.#deps.clock)
  }

  /**
   * Joins where there is no living SVID; tries until a server answers, and tells what stood in the
   * way. Throws what a server that refuses says, and `unauthenticated` / `join-token-missing` where
   * there is nothing to prove with.
   */
  async ensure(
    signal: AbortSignal,
    hindered: (error: CountersignError) => void = () => {},
  ): Promise<void> {
    if (this.isAlive()) return
    const backoff = createBackoff({ baseMs: 200, capMs: retryCapMs })
    const { clock, log } = this.#deps
    const outage = createOutage({
      lost: 'cannot join yet; trying again',
      back: 'joined',
      clock,
      log,
    })
    const token = await this.#deps.joinToken()
    this.#tried = token
    if (token === undefined) throw this.#nothingToProveWith()
    for (;;) {
      try {
        await this.#join(token, signal)
        outage.over()
        return
      } catch (error) {
        signal.throwIfAborted()
        const known = asCountersignError(error)
        if (!isPassing(known)) throw known
        hindered(known)
        outage.failed(known, { fix: known.fix })
        this.#deps.connection.failOver()
        await clock.sleep(Math.max(backoff.next(), known.retryAfterMs ?? 0), signal)
      }
    }
  }

  async #join(token: Secret, signal: AbortSignal): Promise<void> {
    const { trustDomain, store, trust, connection, clock, log } = this.#deps
    const bundle = await fetchBundle({ trustDomain, channel: connection.channel }, signal)
    trust.adopt(bundle)
    await store.saveBundle(bundle)
    const deps = { trustDomain, channel: connection.channel, now: () => clock.now() }
    await compareClocks(deps, signal)
    this.#stored = await joinWithToken(deps, token, bundle, signal)
    this.#received(this.#stored.current)
    await store.saveIdentity(this.#stored)
    connection.replace()
    log.info('this node has joined', {
      agentId: this.agentId,
      expiresAt: this.#stored.current.expiresAt,
    })
  }

  #received(svid: X509Svid): void {
    const { clock, log } = this.#deps
    this.#fresh = freshSvid(svid, clock)
    const { aheadMs } = this.#fresh
    if (Math.abs(aheadMs) < apartWorthSayingMs) return
    log.warn(`this machine's clock and the server's differ: workloads may find SVIDs out of date`, {
      aheadSeconds: Math.round(aheadMs / 1000),
    })
  }

  /** A server has accepted what was shown: a pending SVID is now the one that counts. */
  async accepted(): Promise<void> {
    const stored = this.#stored
    if (stored?.pending === undefined || this.#pendingRefused) return
    this.#stored = { ...stored, current: stored.pending, pending: undefined }
    await this.#deps.store.saveIdentity(this.#stored)
  }

  /**
   * A server refuses what was shown as not the active one. True where there is another SVID to
   * show: the server may have lost sight of the renewed one.
   */
  showOther(): boolean {
    if (this.#stored?.pending === undefined || this.#pendingRefused) return false
    this.#pendingRefused = true
    this.#deps.connection.replace()
    return true
  }

  /** Forgets the SVID: the server does not know this agent any more. */
  async forget(): Promise<void> {
    this.#stored = undefined
    this.#pendingRefused = false
    await this.#deps.store.removeIdentity()
    this.#deps.connection.replace()
  }

  /**
   * Renews at half of what is left when an SVID comes, ± 10 %, by the monotonic clock, and at once
   * where its authority is tainted: when that is revoked, nobody can renew with it any more.
   */
  async renew(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#deps
    const backoff = createBackoff({ baseMs: 500, capMs: retryCapMs })
    const refused = createBackoff({ baseMs: 500, capMs: refusedCapMs })
    const outage = createOutage({
      ...{ lost: 'the agent could not renew its SVID; trying again', clock, log },
      back: 'the agent has renewed its SVID again',
    })
    let scheduled: X509Svid | undefined
    let dueMs = 0
    while (!signal.aborted) {
      const shown = this.shown()
      if (shown === undefined || !this.isAlive()) {
        await clock.sleep(retryCapMs, signal)
        continue
      }
      if (shown !== scheduled) {
        scheduled = shown
        dueMs = clock.monotonicMs() + this.#waitMs(shown)
      }
      const leftMs = dueMs - clock.monotonicMs()
      if (leftMs > 0 && !this.#isTainted(shown)) {
        // Not in one go: to join anew meanwhile gives an SVID that may be due sooner.
        await clock.sleep(Math.min(leftMs, lookMs), signal)
        continue
      }
      try {
        await this.#renewOnce(shown, signal)
        backoff.reset()
        refused.reset()
        outage.over()
      } catch (error) {
        signal.throwIfAborted()
        const known = asCountersignError(error)
        outage.failed(known)
        const longestMs = Math.max(retryCapMs, this.#waitMs(shown) / 10)
        const drawnMs = isPassing(known) ? backoff.next() : refused.next()
        // A server that has too much to do says when to come again, but not to come too late.
        const wantedMs = Math.max(drawnMs, known.retryAfterMs ?? 0)
        await clock.sleep(Math.min(wantedMs, longestMs), signal)
      }
    }
  }

  #isTainted({ chain }: X509Svid): boolean {
    const bundle = this.#deps.bundle()
    return bundle !== undefined && !isUntainted(signersOf(chain), bundle)
  }

  /**
   * Of one that has just come, what is left is known without the wall clock. Of one from disk, however
   * that clock stands, never longer than its own life, and never at once.
   */
  #waitMs(svid: X509Svid): number {
    const { clock, random = Math.random } = this.#deps
    const leftMs =
      this.#fresh?.svid === svid
        ? this.#fresh.goodForMs
        : Math.min(svid.expiresAt.getTime() - clock.now().getTime(), lifeMsOf(svid))
    return Math.max(leftMs * (0.45 + 0.1 * random()), minRenewMs)
  }

  async #renewOnce(shown: X509Svid, signal: AbortSignal): Promise<void> {
    const { trustDomain, store, connection, clock } = this.#deps
    const bundle = this.#deps.bundle()
    if (this.shown() !== shown) return
    if (bundle === undefined) {
      throw new CountersignError('unavailable', 'there is no bundle to check a new SVID with', {
        reason: 'bundle-missing',
      })
    }
    const pending = await renewAgentSvid(
      { trustDomain, channel: connection.channel, now: () => clock.now() },
      shown.spiffeId,
      bundle,
      signal,
    )
    const stored = this.#stored
    if (stored === undefined) return
    this.#received(pending)
    // Saved before it is shown: whatever happens now, one of the two on disk is good.
    const next = { ...stored, current: shown, pending }
    await store.saveIdentity(next)
    if (this.#stored === undefined) {
      await store.removeIdentity()
      return
    }
    this.#stored = next
    this.#pendingRefused = false
    connection.replace()
  }

  #nothingToProveWith(): CountersignError {
    const expired = this.#stored !== undefined
    return new CountersignError(
      'unauthenticated',
      expired
        ? 'the SVID of this agent has expired, and a join token proves a node only once'
        : 'this node has not joined yet, and there is no join token',
      { reason: 'join-token-missing', fix: rejoinCommand },
    )
  }
}

export const rejoinCommand =
  'on the server: countersign token create; here: countersign agent run --join-token-file FILE --trust-ca-sha256 HASH, with the rest as before'

function lifeMsOf({ notBefore, expiresAt }: X509Svid): number {
  return expiresAt.getTime() - notBefore.getTime()
}
