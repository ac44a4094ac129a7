import type { CountersignError } from '../errors.ts'
import { backgroundClock, type Clock, keepProcessAlive } from '../runtime/clock.ts'
import { eachMinute } from '../runtime/each-minute.ts'
import { untilAborted } from '../runtime/until-aborted.ts'
import { Connection } from './connection.ts'
import { Feed } from './feed.ts'
import { follow } from './follow.ts'
import type { SourceOptions } from './options.ts'
import type { Profile, StreamMessages } from './profile.ts'

/** Whoever waits for a source that does not open has to learn why. */
function warnOf({ message, reason, fix }: CountersignError): void {
  const next = fix === undefined ? '' : `; ${fix}`
  process.emitWarning(`the Workload API gives nothing new: ${message} (${reason})${next}`)
}

/** What every source is made of: a connection, and the streams that it follows over it. */
export class Session {
  readonly connection: Connection
  readonly clock: Clock
  readonly #onError: (error: CountersignError) => void
  readonly #feeds: Pick<Feed<unknown>, 'first' | 'ended'>[] = []
  readonly #letGo: () => void

  private constructor(options: SourceOptions) {
    this.clock = options.clock ?? backgroundClock
    this.#onError = options.onError ?? eachMinute(this.clock, ({ reason }) => reason, warnOf)
    this.connection = new Connection(options.endpoint)
    this.#letGo = keepProcessAlive()
  }

  /**
   * Opens when each stream that `begin` follows has said something, however long that takes. Rejects
   * with the signal's reason, `invalid` (`endpoint-…`), or what the endpoint says for good.
   */
  static async open<S>(options: SourceOptions, begin: (session: Session) => S): Promise<S> {
    const { signal } = options
    signal?.throwIfAborted()
    const session = new Session(options)
    try {
      const source = begin(session)
      await untilAborted(Promise.all(session.#feeds.map((feed) => feed.first)), signal)
      if (options.keepAlive !== true) session.#letGo()
      return source
    } catch (error) {
      await session.close()
      throw error
    }
  }

  follow<R extends keyof StreamMessages, T>(
    profile: Profile<R, T>,
    lackOf: (value: T) => CountersignError | undefined = () => undefined,
  ): Feed<T> {
    const signal = this.connection.signal()
    const events = follow(this.connection, profile, this.clock, signal)
    const feed = new Feed(events, signal, this.#onError, lackOf)
    this.#feeds.push(feed)
    return feed
  }

  async close(): Promise<void> {
    this.connection.close()
    await Promise.all(this.#feeds.map((feed) => feed.ended))
    this.#letGo()
  }
}
