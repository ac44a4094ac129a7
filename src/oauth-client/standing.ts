import type { Agent, fetch as Fetch, RequestInit, Response } from 'undici'
import { CountersignError } from '../errors.ts'
import type { IdentitySource } from '../mtls/identity-source.ts'
import { openHttpClient } from '../mtls/undici.ts'
import type { Clock } from '../runtime/clock.ts'
import { ExpiringCache } from '../runtime/expiring-cache.ts'
import type { SpiffeIdMatcher } from '../spiffe-id/matchers.ts'
import type { X509Svid } from '../svid/x509-svid.ts'
import type { IssuerEndpoints } from './endpoints.ts'
import { formOf, keyOf, type TokenRequest } from './grant.ts'
import { readActive, readDocument, readTokenAnswer } from './issuer-answer.ts'
import { type IssuerHttps, issuerHttps } from './issuer-https.ts'

/** An access token. */
export interface AccessToken {
  readonly token: string
  readonly expiresAt: Date
}

/** How this process proves itself, and whom it asks. */
export interface StandingOptions {
  readonly endpoints: IssuerEndpoints
  /** PEM. */
  readonly ca: readonly string[] | undefined
  readonly clock: Clock
  /** What says in a form who asks; `refused` is what has said it before, where that was not taken. */
  readonly proof: (refused?: Proof) => Promise<Proof> | Proof
  /** With which its tokens are good; undefined: they are bound to none. */
  readonly svid: X509Svid | undefined
  /** Who is asked with such tokens, and by which bundles they are checked. */
  readonly next:
    | { readonly source: IdentitySource; readonly authorize: SpiffeIdMatcher }
    | undefined
}

type Proof = Readonly<Record<string, string>>

interface HttpClient {
  readonly fetch: typeof Fetch
  close(): Promise<void>
}

const fetchesAtOnce = 8

/**
 * One SVID, the tokens that are bound to it, and the connections that show it: a bound token is good on no other, so
 * that the three go together and end together.
 */
export class Standing {
  readonly svid: X509Svid | undefined
  readonly #options: StandingOptions
  readonly #issuer: IssuerHttps
  readonly #tokens: ExpiringCache<TokenRequest, AccessToken>
  #http: Promise<HttpClient> | undefined
  #uses = 0
  #retired = false

  constructor(options: StandingOptions) {
    this.svid = options.svid
    this.#options = options
    this.#issuer = issuerHttps(options.svid, options.ca, options.clock)
    this.#tokens = new ExpiringCache(options.clock, (request) => this.#ask(request))
  }

  token(request: TokenRequest): Promise<AccessToken> {
    return this.#tokens.get(keyOf(request), request)
  }

  /** Whether the issuer says that a token is good now. */
  async isActive(token: string): Promise<boolean> {
    return readActive(await this.#post(this.#options.endpoints.introspection, { token }))
  }

  /** What the issuer publishes there. */
  async document(url: string): Promise<string> {
    return readDocument(await this.#issuer.get(url))
  }

  /** Those that were asked for and are good still, under `to`. One that is refused is left out; rejects where the issuer cannot be asked. */
  async fetchAgain(to: Standing): Promise<void> {
    const requests = [...this.#tokens.requests()]
    const work = async (): Promise<void> => {
      for (let next = requests.pop(); next !== undefined; next = requests.pop()) {
        try {
          await to.#tokens.prepare(...next)
        } catch (error) {
          if (!(error instanceof CountersignError) || error.code === 'unavailable') throw error
        }
      }
    }
    await Promise.all(Array.from({ length: fetchesAtOnce }, work))
  }

  /** A token that the service says is not good is not sent again. */
  async fetch(url: string | URL, init: RequestInit, request: TokenRequest): Promise<Response> {
    const { Headers } = await import('undici')
    this.#http ??= openClient(this.#options)
    const http = await this.#http
    const held = await this.token(request)
    const headers = new Headers(init.headers)
    headers.set('authorization', `Bearer ${held.token}`)
    const response = await http.fetch(url, { ...init, headers, redirect: 'manual' })
    const challenge = response.headers.get('www-authenticate') ?? ''
    if (response.status === 401 && challenge.includes('error="invalid_token"')) {
      this.#tokens.forget(keyOf(request), held)
    }
    return response
  }

  /** It does not close before the work has ended. */
  async use<T>(work: () => Promise<T>): Promise<T> {
    this.#uses += 1
    try {
      return await work()
    } finally {
      this.#uses -= 1
      this.#closeIfDone()
    }
  }

  /** Nothing is begun with it any more; what is under way ends by itself. */
  retire(): void {
    this.#retired = true
    this.#closeIfDone()
  }

  #closeIfDone(): void {
    if (!this.#retired || this.#uses > 0) return
    this.#issuer.close()
    this.#http?.then((http) => http.close()).catch(() => {})
  }

  async #ask(request: TokenRequest): Promise<AccessToken> {
    // Counted from before it was asked for: never longer than the issuer means.
    const askedMs = this.#options.clock.now().getTime()
    const answer = await this.#post(this.#options.endpoints.token, formOf(request))
    const { token, expiresInSeconds } = readTokenAnswer(answer)
    return { token, expiresAt: new Date(askedMs + expiresInSeconds * 1000) }
  }

  async #post(url: string, form: Readonly<Record<string, string>>) {
    const { proof } = this.#options
    const shown = await proof()
    const answer = await this.#issuer.post(url, { ...form, ...shown })
    if (answer.status !== 401) return answer
    const other = await proof(shown)
    // Of before a revocation, perhaps: once more, with what is newer.
    const isOther = other['client_assertion'] !== shown['client_assertion']
    return isOther ? this.#issuer.post(url, { ...form, ...other }) : answer
  }
}

async function openClient({ svid, next, ca, clock }: StandingOptions): Promise<HttpClient> {
  if (svid !== undefined && next !== undefined) {
    const { source, authorize } = next
    const pinned: IdentitySource = {
      svid() {
        // It throws where there is no identity any more.
        source.svid()
        return svid
      },
      bundleOf: (trustDomain) => source.bundleOf(trustDomain),
      onUpdate: (listener) => source.onUpdate(listener),
    }
    return openHttpClient({ source: pinned, authorize, clock })
  }
  const undici = await import('undici')
  const trust = ca === undefined ? {} : { ca: [...ca] }
  const connect = { maxCachedSessions: 0, rejectUnauthorized: true, ...trust }
  const dispatcher: Agent = new undici.Agent({ connect })
  return {
    fetch: (input, init) => undici.fetch(input, { ...init, dispatcher }),
    close: () => dispatcher.close(),
  }
}
