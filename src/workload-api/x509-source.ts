import type { Bundle, BundleLookup } from '../bundle/bundle.ts'
import { asCountersignError, CountersignError, type ErrorCode } from '../errors.ts'
import { createBackoff } from '../runtime/backoff.ts'
import { type Clock, systemClock } from '../runtime/clock.ts'
import { type Log, silentLog } from '../runtime/log.ts'
import type { TrustDomain } from '../spiffe-id/spiffe-id.ts'
import type { X509Svid } from '../svid/x509-svid.ts'
import type { WorkloadApi } from './client.ts'
import type { Endpoint } from './endpoint.ts'
import { readX509Context, type X509Context } from './x509-context.ts'

export interface X509SourceOptions {
  readonly endpoint: Endpoint
  /** Ends the wait for the first update, and nothing later. */
  readonly signal?: AbortSignal
  readonly clock?: Clock
  readonly random?: () => number
  readonly log?: Log
}

/** Asking again would bring the same answer (Workload Endpoint §6, Appendix A). */
const final: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['invalid', 'unimplemented'])
const retry = { baseMs: 100, capMs: 5000 }

/**
 * The X509-SVID and the bundles of this process, as the Workload API last said. Each update replaces
 * all of the one before. While the agent is away what it said last is kept; where it says that there
 * is no identity any more, nothing is (Workload API §5.2.1).
 */
export class X509Source implements BundleLookup, AsyncDisposable {
  readonly #api: WorkloadApi
  readonly #log: Log
  readonly #closing = new AbortController()
  readonly #listeners = new Set<() => void>()
  readonly #first = Promise.withResolvers<void>()
  readonly #following: Promise<void>
  #context: X509Context | undefined
  #absence = absent('x509-source-closed', 'the source has been closed')

  private constructor(api: WorkloadApi, options: X509SourceOptions) {
    this.#api = api
    this.#log = options.log ?? silentLog
    this.#following = this.#follow(options)
    this.#first.promise.catch(() => {})
  }

  /**
   * Opens at the first update, however long that takes. Rejects with the signal's reason, or with what
   * the endpoint says for good: `invalid` or `unimplemented`.
   */
  static async open(options: X509SourceOptions): Promise<X509Source> {
    options.signal?.throwIfAborted()
    // gRPC is loaded by whoever uses it.
    const { openWorkloadApi } = await import('./client.ts')
    const source = new X509Source(openWorkloadApi(options.endpoint), options)
    const giveUp = (): void => source.#first.reject(options.signal?.reason)
    options.signal?.addEventListener('abort', giveUp, { once: true })
    try {
      await source.#first.promise
      return source
    } catch (error) {
      await source.close()
      throw error
    } finally {
      options.signal?.removeEventListener('abort', giveUp)
    }
  }

  /** The default identity. Throws `unavailable`: `x509-source-withdrawn`, `x509-source-closed`, or what ended the stream for good. */
  svid(): X509Svid {
    return this.context().svids[0]
  }

  /** All that the last update said. Throws as `svid` does. */
  context(): X509Context {
    if (this.#context === undefined) throw this.#absence
    return this.#context
  }

  bundleOf(trustDomain: TrustDomain): Bundle | undefined {
    return this.#context?.bundleOf(trustDomain)
  }

  /** Calls back after each change, a withdrawal too; the result ends that. */
  onUpdate(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  async close(): Promise<void> {
    this.#closing.abort(new DOMException('closed', 'AbortError'))
    await this.#following
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  /** Never rejects. */
  async #follow({ clock = systemClock, random = Math.random }: X509SourceOptions): Promise<void> {
    const { signal } = this.#closing
    const backoff = createBackoff({ ...retry, random })
    try {
      for (;;) {
        const updates = await this.#stream(signal)
        // A stream that said something is taken up again at once (§4.2).
        if (updates > 0) backoff.reset()
        else await clock.sleep(backoff.next(), signal)
      }
    } catch (error) {
      if (!signal.aborted) this.#absence = asCountersignError(error)
      this.#first.reject(error)
    } finally {
      this.#api.close()
      this.#replace(undefined)
    }
  }

  /** One stream to its end: how many updates it brought. Throws what is not to be tried again. */
  async #stream(signal: AbortSignal): Promise<number> {
    const { rpc, metadata } = this.#api
    let updates = 0
    try {
      for await (const response of rpc.serverStream('FetchX509SVID', {}, { metadata, signal })) {
        updates += this.#take(() => readX509Context(response)) ? 1 : 0
      }
    } catch (error) {
      signal.throwIfAborted()
      if (!(error instanceof CountersignError) || final.has(error.code)) throw error
      this.#log.info('the stream of X509-SVIDs has ended', { error })
      if (error.code === 'forbidden') this.#withdraw()
    }
    return updates
  }

  /** A message that is not sound is left out, and the one before it stays (§4.5). */
  #take(read: () => X509Context): boolean {
    try {
      this.#replace(read())
      this.#first.resolve()
      return true
    } catch (error) {
      if (!(error instanceof CountersignError)) throw error
      this.#log.warn('an update of the Workload API is left out', { error })
      return false
    }
  }

  #withdraw(): void {
    if (this.#context === undefined) return
    this.#absence = absent('x509-source-withdrawn', 'this process has no identity any more')
    this.#replace(undefined)
  }

  #replace(context: X509Context | undefined): void {
    this.#context = context
    for (const listener of this.#listeners) listener()
  }
}

function absent(reason: string, message: string): CountersignError {
  return new CountersignError('unavailable', message, { reason })
}
