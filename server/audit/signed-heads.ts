import type { Clock } from '../../src/runtime/clock.ts'
import type { Log } from '../../src/runtime/log.ts'
import type { HeadOfTrail } from './sign-head.ts'
import type { Trail } from './trail.ts'

export interface SignedHeadsDeps {
  readonly trail: Pick<Trail, 'append' | 'head'>
  /** Name of the trail's chain. */
  readonly chain: string
  readonly sign: (head: HeadOfTrail) => Promise<string>
  readonly clock: Clock
  readonly log: Log
}

const eachMs = 60_000

/**
 * Puts on record, signed, where the chain stands. A head goes the way of every other record, so that all that
 * copy the trail hold it, and nobody can take back what it covers.
 */
export class SignedHeads {
  readonly #deps: SignedHeadsDeps
  /** Number of the record of the last head: where nothing came after it, there is nothing to sign. */
  #last = 0

  constructor(deps: SignedHeadsDeps) {
    this.#deps = deps
  }

  /** Signs each minute until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#deps.clock.sleep(eachMs, signal)
      await this.sign()
    }
  }

  /** Never throws: what cannot be signed now is covered by the next head. */
  async sign(): Promise<void> {
    const { trail, chain, sign, clock, log } = this.#deps
    const head = trail.head()
    if (head.number === this.#last) return
    try {
      const signedHead = await sign({ chain, head })
      const { last } = await trail.append([
        {
          kind: 'trail.head',
          time: clock.now(),
          actor: { kind: 'server' },
          decision: 'allow',
          signedHead,
        },
      ])
      this.#last = last
    } catch (error) {
      log.warn('where the audit trail stands was not signed', { error })
    }
  }
}
