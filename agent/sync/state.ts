import { CountersignError } from '../../src/errors.ts'
import type { Clock } from '../../src/runtime/clock.ts'

/**
 * - `starting`: nothing to serve yet, no word from a server.
 * - `attesting`: proving this node.
 * - `ready`: follows a server.
 * - `offline-serving`: no server; what is there is served until it expires.
 * - `banned`: an operator has barred this agent.
 * - `must-rejoin`: the agent's own SVID is of no use any more and its method cannot prove the node again.
 */
export type AgentStatus =
  | 'starting'
  | 'attesting'
  | 'ready'
  | 'offline-serving'
  | 'banned'
  | 'must-rejoin'

export interface AgentHealth {
  readonly status: AgentStatus
  readonly since: Date
  /** When a server was last heard. */
  readonly lastContact: Date | undefined
  /** Why the last attempt to reach or convince a server failed; undefined while all is well. */
  readonly lastError: CountersignError | undefined
}

/** What the agent as a whole is doing; health and the Workload API answer by it. */
export class AgentState {
  readonly #clock: Clock
  readonly #listeners = new Set<(status: AgentStatus) => void>()
  #status: AgentStatus = 'starting'
  #since: Date
  #lastContact: Date | undefined
  #lastError: CountersignError | undefined

  constructor(clock: Clock) {
    this.#clock = clock
    this.#since = clock.now()
  }

  get health(): AgentHealth {
    return {
      status: this.#status,
      since: this.#since,
      lastContact: this.#lastContact,
      lastError: this.#lastError,
    }
  }

  get status(): AgentStatus {
    return this.#status
  }

  /** Calls the listener at each change of the status; returns what ends that. */
  listen(listener: (status: AgentStatus) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  attesting(): void {
    this.#become('attesting')
  }

  /** What stands in the way of proving this node; it is tried again. */
  hindered(error: CountersignError): void {
    this.#lastError = error
  }

  /** A server was heard, and what it sent has been applied. */
  contact(): void {
    this.#lastContact = this.#clock.now()
    this.#lastError = undefined
    this.#become('ready')
  }

  /** What was kept over a restart is served until a server is back. */
  restored(lastContact: Date): void {
    this.#lastContact = lastContact
    this.#become('offline-serving')
  }

  /** No server. An agent that has been ready goes on with what it has. */
  lost(error: CountersignError): void {
    this.#lastError = error
    if (this.#status === 'ready') this.#become('offline-serving')
    if (this.#status === 'attesting') this.#become('starting')
  }

  /** What was kept over a restart may not be served any longer. */
  offlineTooLong(): void {
    if (this.#status === 'offline-serving') this.#become('starting')
  }

  banned(error: CountersignError): void {
    this.#lastError = error
    this.#become('banned')
  }

  mustRejoin(error: CountersignError): void {
    this.#lastError = error
    this.#become('must-rejoin')
  }

  /** Why nothing can be served; undefined where something can. */
  unavailable(): CountersignError | undefined {
    const because = (reason: string, message: string, fix?: string): CountersignError =>
      unavailable(reason, message, this.#lastError, fix)
    switch (this.#status) {
      case 'ready':
      case 'offline-serving':
        return undefined
      case 'starting':
        return because('agent-starting', 'the agent has not reached a server yet', seeServer)
      case 'attesting':
        return because('agent-attesting', 'the agent is proving its node', seeServer)
      case 'banned':
        return because('agent-banned', 'the agent is banned')
      case 'must-rejoin':
        return because('agent-must-rejoin', 'the agent must join again')
    }
  }

  #become(status: AgentStatus): void {
    if (this.#status === status) return
    this.#status = status
    this.#since = this.#clock.now()
    for (const listener of this.#listeners) listener(status)
  }
}

const seeServer = 'see that a server runs where server_address says; the agent goes on by itself'

function unavailable(
  reason: string,
  message: string,
  cause: CountersignError | undefined,
  fix: string | undefined,
): CountersignError {
  // A server that says the same in other words has said it once.
  const why =
    cause === undefined || cause.reason === reason ? message : `${message}: ${cause.message}`
  return new CountersignError('unavailable', why, { reason, fix: cause?.fix ?? fix, cause })
}
