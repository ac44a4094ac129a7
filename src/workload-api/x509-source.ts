import type { Bundle, BundleLookup } from '../bundle/bundle.ts'
import { CountersignError } from '../errors.ts'
import type { SpiffeId, TrustDomain } from '../spiffe-id/spiffe-id.ts'
import type { X509Svid } from '../svid/x509-svid.ts'
import type { HintedX509Svid, X509Context } from './context.ts'
import { absent, type Feed } from './feed.ts'
import type { SourceOptions, SourceState } from './options.ts'
import { Session } from './session.ts'
import { x509Contexts } from './x509-context.ts'

/** Which of several identities; the first where nothing is said. */
export interface X509SvidChoice {
  readonly spiffeId?: SpiffeId
  /** The operator's word for it. */
  readonly hint?: string
}

/**
 * The X509-SVIDs and X.509 bundles of this process, as the Workload API last said (§5.2.1). It follows
 * the stream until it is closed; each update replaces all of the one before.
 */
export class X509Source implements BundleLookup, AsyncDisposable {
  readonly #session: Session
  readonly #feed: Feed<X509Context>
  readonly #choice: X509SvidChoice

  private constructor(session: Session, choice: X509SvidChoice) {
    this.#session = session
    this.#choice = choice
    this.#feed = session.follow(x509Contexts, ({ svids }) =>
      svids.some((one) => isChosen(one, choice)) ? undefined : noSuchSvid(choice),
    )
  }

  /**
   * Opens at the first update, however long that takes; with a `spiffeId` or a `hint` at the first that has this
   * identity, which is its default then. Rejects with the signal's reason, `invalid` (`endpoint-…`), or what the endpoint
   * says for good: `invalid` or `unimplemented`.
   */
  static open(options: SourceOptions & X509SvidChoice = {}): Promise<X509Source> {
    return Session.open(options, (session) => new X509Source(session, options))
  }

  /**
   * The SVID to show now. Throws `unavailable`: `source-expired`, `source-withdrawn`, `source-closed`,
   * `source-no-such-svid` (never another one instead), or what ended the stream for good.
   */
  svid(choice: X509SvidChoice = this.#choice): HintedX509Svid {
    const svid = this.#feed.value().svids.find((one) => isChosen(one, choice))
    if (svid === undefined) throw noSuchSvid(choice)
    if (this.#isExpired(svid)) {
      throw absent('source-expired', 'the SVID has expired, and the agent has brought no other')
    }
    return svid
  }

  /** All that the last update said, be it expired or not. Throws as `svid` does. */
  context(): X509Context {
    return this.#feed.value()
  }

  /** The X.509 authorities of a trust domain; undefined where it is not trusted here. */
  bundleOf(trustDomain: TrustDomain): Bundle | undefined {
    return this.#feed.peek()?.bundleOf(trustDomain)
  }

  /** Of the default identity. */
  get state(): SourceState {
    const svid = this.#feed.peek()?.svids.find((one) => isChosen(one, this.#choice))
    if (svid === undefined || this.#isExpired(svid)) return 'expired'
    return this.#feed.live ? 'fresh' : 'stale'
  }

  /** Calls back after each change, a withdrawal too; the result ends that. */
  onUpdate(listener: () => void): () => void {
    return this.#feed.onUpdate(listener)
  }

  /** Ends with nothing left to show or to trust. */
  close(): Promise<void> {
    return this.#session.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  #isExpired(svid: X509Svid): boolean {
    return svid.expiresAt <= this.#session.clock.now()
  }
}

function isChosen(svid: HintedX509Svid, { spiffeId, hint }: X509SvidChoice): boolean {
  return (
    (spiffeId === undefined || svid.spiffeId === spiffeId) &&
    (hint === undefined || svid.hint === hint)
  )
}

/** Only a choice finds none: an update has one SVID at least. */
function noSuchSvid({ spiffeId, hint }: X509SvidChoice): CountersignError {
  const asked = [
    spiffeId ?? [],
    hint === undefined ? [] : `the hint ${JSON.stringify(hint)}`,
  ].flat()
  return new CountersignError(
    'unavailable',
    `this process has no SVID with ${asked.join(' and ')}`,
    {
      reason: 'source-no-such-svid',
      fix: 'register an entry for it that fits this process, and try again once the agent has it',
    },
  )
}
