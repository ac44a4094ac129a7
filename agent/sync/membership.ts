import { asCountersignError, type CountersignError } from '../../src/errors.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import type { Log } from '../../src/runtime/log.ts'
import type { Secret } from '../../src/runtime/secret.ts'
import type { ServerConnection } from '../node-attestation/connection.ts'
import type { AgentIdentity } from '../node-attestation/identity.ts'
import type { AgentState } from './state.ts'

export interface MembershipDeps {
  readonly identity: AgentIdentity
  readonly connection: ServerConnection
  readonly state: AgentState
  /** The join token as it is now; an operator may put another one there while the agent waits. */
  readonly joinToken: () => Promise<Secret | undefined>
  /** Withdraws every identity from the workloads, and what is kept of them. */
  readonly withdraw: () => Promise<void>
  readonly clock: Clock
  readonly log: Log
}

const bannedRetryMs = 10_000
const expiredRetryMs = 1000
const tokenPollMs = 1000

/** Makes this node a member, and decides what a lost or refused connection means for that. */
export class Membership {
  readonly #deps: MembershipDeps

  constructor(deps: MembershipDeps) {
    this.#deps = deps
  }

  /** Resolves once there is a living SVID; while the node cannot be proved, says so and waits for another token. */
  async join(signal: AbortSignal): Promise<void> {
    const { identity, state, log } = this.#deps
    while (!identity.isAlive()) {
      state.attesting()
      try {
        await identity.ensure(signal, (error) => state.hindered(error))
      } catch (error) {
        signal.throwIfAborted()
        const known = asCountersignError(error)
        state.mustRejoin(known)
        log.error('this agent cannot join', { reason: known.reason, fix: known.fix, error: known })
        await this.#otherToken(identity.tried, signal)
      }
    }
  }

  /** What is to be done about a stream that has ended; resolves with the least time to wait, in ms. */
  async lost(error: CountersignError, signal: AbortSignal): Promise<number> {
    const { identity, connection, state, withdraw, log } = this.#deps
    switch (error.reason) {
      case 'agent-banned':
        if (state.status !== 'banned') log.error('this agent is banned', { error })
        state.banned(error)
        await withdraw()
        return bannedRetryMs
      case 'agent-not-active':
        if (identity.showOther()) return 0
        await this.#outcast(signal)
        return 0
      case 'agent-not-attested':
        await this.#outcast(signal)
        return 0
      case 'agent-expired':
        // The connection may have outlived the SVID that opened it; the next shows the one of now.
        state.lost(error)
        connection.replace()
        if (!identity.isAlive()) await this.join(signal)
        return expiredRetryMs
      default:
        state.lost(error)
        connection.failOver()
        if (!identity.isAlive()) await this.join(signal)
        return error.retryAfterMs ?? 0
    }
  }

  /** The server does not know this agent's SVID: only joining anew helps. */
  async #outcast(signal: AbortSignal): Promise<void> {
    await this.#deps.withdraw()
    await this.#deps.identity.forget()
    await this.join(signal)
  }

  async #otherToken(refused: Secret | undefined, signal: AbortSignal): Promise<void> {
    for (;;) {
      await this.#deps.clock.sleep(tokenPollMs, signal)
      // A file that is gone is no token, and no reason to stop.
      const token = await this.#deps.joinToken().catch(() => undefined)
      if (token !== undefined && token.reveal() !== refused?.reveal()) return
    }
  }
}
