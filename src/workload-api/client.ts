import { CountersignError } from '../errors.ts'
import { backgroundClock, type Clock, keepProcessAlive } from '../runtime/clock.ts'
import { audienceGiven, type JwtSvid } from '../svid/jwt-svid.ts'
import { jwtBundles, x509Bundles } from './bundle-set.ts'
import { Connection, firstMessage } from './connection.ts'
import type { BundleSet, HintedJwtSvid, JwtSvids, X509Context } from './context.ts'
import { follow } from './follow.ts'
import { fetchJwtSvids, readValidation } from './jwt-svids.ts'
import type {
  CallOptions,
  FetchJwtOptions,
  WatchOptions,
  WorkloadApiClientOptions,
} from './options.ts'
import type { Profile, StreamMessages } from './profile.ts'
import { x509Contexts } from './x509-context.ts'

/**
 * The Workload API as a workload sees it (SPIFFE Workload API). For a program that lives on see
 * `X509Source`, `JwtSource` and `BundleSource`.
 *
 * A call fails with a `CountersignError`: `forbidden` where this process has no such identity, `unavailable`
 * while there is no agent, `deadline`, `invalid`, `unimplemented`; and with the signal's reason. A watch
 * yields what the stream says, first at once, then after each change. It takes up again a stream that
 * ends; it throws `forbidden` where all that it gave is withdrawn, so that nothing of it may be used any
 * more, and `invalid` or `unimplemented`, which would not get better.
 */
export class WorkloadApiClient implements AsyncDisposable {
  readonly #connection: Connection
  readonly #clock: Clock

  /** Connects with the first call. Throws `invalid` / `endpoint-…`. */
  constructor(options: WorkloadApiClientOptions = {}) {
    this.#connection = new Connection(options.endpoint)
    this.#clock = options.clock ?? backgroundClock
  }

  /** The X509-SVIDs of this process with the bundles for them, as they are now (§5.2.1). */
  fetchX509Context(options: CallOptions = {}): Promise<X509Context> {
    return this.#first(x509Contexts, options)
  }

  /** All of them, now and after each change. */
  watchX509Context(options: WatchOptions = {}): AsyncGenerator<X509Context, void, void> {
    return this.#watch(x509Contexts, options)
  }

  /** The X.509 bundles that this process may verify with (§5.2.2). */
  fetchX509Bundles(options: CallOptions = {}): Promise<BundleSet> {
    return this.#first(x509Bundles, options)
  }

  /** All of them, now and after each change. */
  watchX509Bundles(options: WatchOptions = {}): AsyncGenerator<BundleSet, void, void> {
    return this.#watch(x509Bundles, options)
  }

  /** The JWT bundles that this process may verify with (§6.2.2). */
  fetchJwtBundles(options: CallOptions = {}): Promise<BundleSet> {
    return this.#first(jwtBundles, options)
  }

  /** All of them, now and after each change. */
  watchJwtBundles(options: WatchOptions = {}): AsyncGenerator<BundleSet, void, void> {
    return this.#watch(jwtBundles, options)
  }

  /** One token for the audience, of the default identity or the one that is asked for (§6.2.1). Throws `invalid` / `audience-missing`. */
  async fetchJwtSvid(
    audience: string | readonly string[],
    options: FetchJwtOptions = {},
  ): Promise<HintedJwtSvid> {
    return (await this.fetchJwtSvids(audience, options))[0]
  }

  /** One token for each identity of this process. One audience is best: whoever gets a token can use it with the others. */
  async fetchJwtSvids(
    audience: string | readonly string[],
    options: FetchJwtOptions = {},
  ): Promise<JwtSvids> {
    return fetchJwtSvids(this.#connection, this.#clock, audience, options)
  }

  /**
   * Lets the Workload API verify a token for the audience, exactly (§6.2.3). Of a foreign token it may
   * tell no more claims than `sub`, `aud` and `exp`. Throws `unauthenticated` / `token-refused` where
   * the token is not good. See `verifyJwtSvid` to verify without a call.
   */
  async validateJwtSvid(
    token: string,
    audience: string,
    options: CallOptions = {},
  ): Promise<JwtSvid> {
    audienceGiven(audience)
    const request = { audience, svid: token }
    const response = await this.#connection.call(options, async ({ rpc }, call) => {
      try {
        return await rpc.unary('ValidateJWTSVID', request, call)
      } catch (error) {
        throw error instanceof CountersignError && error.code === 'invalid' ? refused(error) : error
      }
    })
    return readValidation(response, token)
  }

  /** Ends all calls and watches with `cancelled` / `client-closed`. */
  async close(): Promise<void> {
    this.#connection.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #first<R extends keyof StreamMessages, T>(
    { rpc, read }: Profile<R, T>,
    options: CallOptions,
  ): Promise<T> {
    return read(await this.#connection.call(options, (api, call) => firstMessage(api, rpc, call)))
  }

  async *#watch<R extends keyof StreamMessages, T>(
    profile: Profile<R, T>,
    { signal, onError }: WatchOptions,
  ): AsyncGenerator<T, void, void> {
    const letGo = keepProcessAlive()
    try {
      const until = this.#connection.signal(signal)
      for await (const event of follow(this.#connection, profile, this.#clock, until)) {
        if (event.kind === 'update') yield event.value
        else if (event.kind === 'denied') throw event.error
        else if (event.error !== undefined) onError?.(event.error)
      }
    } finally {
      letGo()
    }
  }
}

function refused(cause: CountersignError): CountersignError {
  return new CountersignError('unauthenticated', 'the Workload API does not accept the token', {
    reason: 'token-refused',
    cause,
  })
}
