import type { RequestInit, Response } from 'undici'
import { CountersignError } from '../errors.ts'
import { currentSvid, type IdentitySource } from '../mtls/identity-source.ts'
import type { Access } from '../resource-server/access-token.ts'
import { keysAt } from '../resource-server/jwks.ts'
import { tokenOf } from '../resource-server/shown-token.ts'
import { createRevocationFeed, type RevocationFeed } from '../revocation/feed-client.ts'
import { type FeedLocation, feedAt } from '../revocation/https-feed.ts'
import { createBackoff } from '../runtime/backoff.ts'
import { backgroundClock, type Clock, sleepUnlessWoken } from '../runtime/clock.ts'
import { aborted } from '../runtime/tasks.ts'
import type { SpiffeIdMatcher } from '../spiffe-id/matchers.ts'
import { jwtSvidAssertionType } from '../svid/client-assertion.ts'
import type { X509Svid } from '../svid/x509-svid.ts'
import { checkCa, endpointsOf, type IssuerEndpoints, isHttps } from './endpoints.ts'
import type { TokenRequest } from './grant.ts'
import { webContext } from './issuer-https.ts'
import { type AccessToken, Standing, type StandingOptions } from './standing.ts'

/** Where tokens come from. */
interface IssuerOptions {
  /** The authorization server, exactly as it names itself. */
  readonly issuer: string
  /** Those of a Countersign server, unless told. */
  readonly endpoints?: Partial<IssuerEndpoints>
  /** CA certificates, PEM, to believe it by, in place of those that Node knows. */
  readonly ca?: readonly string[]
  readonly clock?: Clock
}

/** By X.509-SVID, which binds the tokens to it: an `X509Source`, and which servers are asked with them. */
export interface X509ClientOptions extends IssuerOptions {
  readonly source: IdentitySource
  /** Which servers `fetch` sends a token to, over mutual TLS. There is no default. */
  readonly authorize: SpiffeIdMatcher
}

/** By JWT-SVID; whoever gets hold of such a token can use it. `ca` is for the servers that are asked, too. */
export interface JwtClientOptions extends IssuerOptions {
  readonly jwtSource: {
    fetchJwtSvid(audience: string): Promise<{ readonly token: string }>
    /** The issuer does not take this one; another is asked for then. */
    discard?(token: string): void
  }
}

/** A service to be asked with a token for it. */
export interface NextHop {
  /**
   * undici's `fetch`, with the token, over https alone; redirects are returned, whatever `init` says. Rejects as
   * `token` does, and as undici's.
   */
  fetch(url: string | URL, init?: RequestInit): Promise<Response>
  /**
   * For other clients. With `svid` the token is good on connections that show that SVID alone. Rejects with `forbidden`
   * `token-refused`, `unauthenticated` `client-refused`, `unavailable` `issuer-unavailable`, `invalid` `issuer-answer`,
   * or what the source has instead of an SVID.
   */
  token(): Promise<AccessToken & { readonly svid: X509Svid | undefined }>
}

/** Who asks others, on its own account or for somebody. */
export interface Caller {
  /** `resource` is the service's name, the audience of its tokens; `scope` one or more, separated by blanks. */
  call(resource: string, scope: string): NextHop
}

/**
 * Gets access tokens by this process's own SVID, keeps them, and asks other services with them. Before it goes over to a
 * renewed SVID it gets each token anew for that one; while the issuer is away it stays with the SVID before until that
 * ends.
 */
export class OauthClient implements Caller, AsyncDisposable {
  readonly #options: X509ClientOptions | JwtClientOptions
  readonly #endpoints: IssuerEndpoints
  readonly #clock: Clock
  readonly #closing = new AbortController()
  readonly #following: Promise<void>
  #standing: Standing
  /** What it goes over to once each token is there: one that is there already is not asked for again. */
  #coming: Standing | undefined
  #renewed = new AbortController()

  /** Throws `invalid`, `client-options`, and what the source has instead of an SVID. */
  constructor(options: X509ClientOptions | JwtClientOptions) {
    checkCa(options.ca)
    this.#options = options
    this.#endpoints = endpointsOf(options.issuer, options.endpoints)
    this.#clock = options.clock ?? backgroundClock
    this.#standing = this.#stand('source' in options ? options.source.svid() : undefined)
    this.#following =
      'source' in options ? this.#follow(options.source, this.#closing.signal) : Promise.resolve()
  }

  /** On its own account (RFC 6749 §4.4). */
  call(resource: string, scope: string): NextHop {
    return this.#hop({ resource, scope, subjectToken: undefined })
  }

  /** For whom this request came: `accessOf(request)`. By token exchange (RFC 8693). */
  onBehalfOf(access: Access): Caller {
    const subjectToken = tokenOf(access)
    return { call: (resource, scope) => this.#hop({ resource, scope, subjectToken }) }
  }

  /**
   * What the issuer has revoked, for the `revocations` of a verifier; followed until this is closed. `onTrouble` is told of
   * each connection that failed or ended. The issuer tells it to the services that a resource names in `served_by`.
   */
  revocations(onTrouble?: (error: CountersignError) => void): RevocationFeed {
    const feed = createRevocationFeed({
      issuer: this.#options.issuer,
      ...feedAt({ url: this.#endpoints.feed, ...readerOf(this.#options) }),
      keyOf: keysAt(() => this.#document(this.#endpoints.feedKeys), this.#clock),
      clock: this.#clock,
      ...(onTrouble !== undefined && { onTrouble }),
    })
    void feed.run(this.#closing.signal)
    return feed
  }

  /**
   * Whether the issuer says that this token is good now (RFC 7662), for the `introspect` of a verifier: it may be handed on as
   * it is. Rejects as `token` of a `NextHop`.
   */
  readonly introspect = async (token: string): Promise<boolean> => {
    const standing = this.#current()
    return standing.use(() => standing.isActive(token))
  }

  /**
   * The issuer's keys, for the `jwks` of a verifier, where the issuer is to be believed by `ca`. It may be handed on as it
   * is. Rejects with `unavailable`, `issuer-unavailable`.
   */
  readonly jwks = (): Promise<string> => this.#document(this.#endpoints.keys)

  /** Ends when what is under way has. */
  async close(): Promise<void> {
    this.#closing.abort()
    await this.#following
    this.#standing.retire()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #document(url: string): Promise<string> {
    const standing = this.#current()
    return standing.use(() => standing.document(url))
  }

  #hop(request: TokenRequest): NextHop {
    return {
      fetch: async (url, init = {}) => {
        if (!isHttps(String(url))) {
          throw new CountersignError('invalid', 'a token is sent over https only', {
            reason: 'url-scheme',
          })
        }
        const standing = this.#current()
        return standing.use(() => standing.fetch(url, init, request))
      },
      token: async () => {
        const standing = this.#current()
        const { svid } = standing
        return standing.use(async () => ({ ...(await standing.token(request)), svid }))
      },
    }
  }

  /** Throws `unavailable`, `client-closed`, and what the source has instead of an SVID. */
  #current(): Standing {
    if (this.#closing.signal.aborted) {
      throw new CountersignError('unavailable', 'this client is closed', {
        reason: 'client-closed',
      })
    }
    if ('source' in this.#options) {
      const newest = this.#options.source.svid()
      const held = this.#standing.svid
      // The issuer was away for so long that nothing could be fetched before.
      if (held !== undefined && held.expiresAt <= this.#clock.now()) {
        this.#replace(this.#comingFor(newest))
      }
    }
    return this.#standing
  }

  #replace(next: Standing): void {
    this.#standing.retire()
    this.#standing = next
    this.#coming = undefined
  }

  #comingFor(svid: X509Svid): Standing {
    if (this.#coming !== undefined && isSame(svid, this.#coming.svid)) return this.#coming
    this.#coming?.retire()
    this.#coming = this.#stand(svid)
    return this.#coming
  }

  async #follow(source: IdentitySource, signal: AbortSignal): Promise<void> {
    const stopUpdates = source.onUpdate(() => this.#renewed.abort())
    const backoff = createBackoff({ baseMs: 200, capMs: 5000 })
    try {
      while (!signal.aborted) {
        this.#renewed = new AbortController()
        const woken = this.#renewed.signal
        if (await this.#goOver(source)) {
          backoff.reset()
          await aborted(AbortSignal.any([woken, signal]))
        } else {
          await sleepUnlessWoken(this.#clock, backoff.next(), woken, signal)
        }
      }
    } catch {
      // Closed while it waited: nothing else throws here.
    } finally {
      stopUpdates()
      this.#coming?.retire()
    }
  }

  /** false: the issuer could not be asked, and the SVID before stays. */
  async #goOver(source: IdentitySource): Promise<boolean> {
    const newest = currentSvid(source)
    const before = this.#standing
    if (newest === undefined || isSame(newest, before.svid)) return true
    try {
      const next = this.#comingFor(newest)
      await before.fetchAgain(next)
      if (this.#coming === next) this.#replace(next)
    } catch {
      return false
    }
    return true
  }

  #stand(svid: X509Svid | undefined): Standing {
    const { ca } = this.#options
    const shared = { endpoints: this.#endpoints, ca, clock: this.#clock, svid }
    return new Standing({ ...shared, ...proving(this.#options, svid) })
  }
}

function proving(
  options: X509ClientOptions | JwtClientOptions,
  svid: X509Svid | undefined,
): Pick<StandingOptions, 'proof' | 'next'> {
  if ('source' in options) {
    return { proof: () => ({ client_id: svid?.spiffeId ?? '' }), next: options }
  }
  const { jwtSource, issuer } = options
  return {
    next: undefined,
    proof: async (refused) => {
      if (refused !== undefined) jwtSource.discard?.(refused['client_assertion'] ?? '')
      const { token } = await jwtSource.fetchJwtSvid(issuer)
      return { client_assertion_type: jwtSvidAssertionType, client_assertion: token }
    },
  }
}

/** As whom the feed is read: on each connection with what is there by then. */
function readerOf(options: X509ClientOptions | JwtClientOptions): Omit<FeedLocation, 'url'> {
  const { issuer, ca } = options
  const trust = ca === undefined ? {} : { ca: [...ca] }
  if ('source' in options) {
    const { source } = options
    const clientId = source.svid().spiffeId
    return { clientId, tls: () => ({ ...webContext(source.svid()), ...trust }) }
  }
  const jwtSvid = async () => (await options.jwtSource.fetchJwtSvid(issuer)).token
  return { jwtSvid, tls: () => ({ ...webContext(undefined), ...trust }) }
}

function isSame(one: X509Svid, other: X509Svid | undefined): boolean {
  const [leaf] = one.chain
  return leaf !== undefined && other?.chain[0]?.equals(leaf) === true
}
