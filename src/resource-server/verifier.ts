import { hash } from 'node:crypto'
import { CountersignError } from '../errors.ts'
import { readCompact } from '../jwt/compact.ts'
import { publicKeyOf } from '../jwt/key-cache.ts'
import { verifySignature } from '../jwt/verify.ts'
import { type Clock, systemClock } from '../runtime/clock.ts'
import { type Access, readAccess } from './access-token.ts'
import { type JwksLocation, keysAt } from './jwks.ts'
import { keepToken } from './shown-token.ts'

/** Whose tokens are taken, and for whom. */
export interface VerifierOptions {
  /** The authorization server, exactly as its tokens say it in `iss`. */
  readonly issuer: string
  /** Who this service is: the one audience of its tokens, exactly. */
  readonly audience: string
  /** `ISSUER/oauth/jwks` unless told; a function where a `fetch` of Node's would not trust the server. */
  readonly jwks?: JwksLocation
  /** Seconds by which the clocks may differ; 5 unless told, 60 at most. */
  readonly clockSkew?: number
  /** Takes no token that is not bound to the caller's certificate. One that is bound is always checked. */
  readonly requireBound?: boolean
  readonly clock?: Clock
}

/** What a token is shown with. */
export interface ShownWith {
  /** The certificate, DER, that the caller of this connection has proved in TLS to have the key of. */
  readonly certificate?: Uint8Array | undefined
}

/** Verifies access tokens by the issuer's keys, without asking it about each. */
export interface Verifier {
  /**
   * Rejects with `unauthenticated`: `token-too-large`, `token-malformed`, `token-type`, `token-algorithm`,
   * `token-header`, `token-key`, `token-signature`, `token-issuer`, `token-audience`, `token-expiry`, `token-expired`,
   * `token-not-yet-valid`, `token-claims`, `token-binding`; `unavailable`: `jwks-unavailable`.
   */
  verify(token: string, shown?: ShownWith): Promise<Access>
}

const maxTokenBytes = 8192
const accessTokenTypes: ReadonlySet<unknown> = new Set(['at+jwt', 'application/at+jwt'])

/**
 * A verifier of one issuer's access tokens for one service (RFC 9068 §4). It does not learn that a token was revoked:
 * a token is good until it ends. Throws `invalid`: `verifier-options`, `jwks-url`.
 */
export function createVerifier(options: VerifierOptions): Verifier {
  const { issuer, audience, clockSkew = 5, requireBound = false, clock = systemClock } = options
  if (issuer === '' || audience === '' || !(clockSkew >= 0 && clockSkew <= 60)) {
    throw new CountersignError('invalid', 'issuer or audience is missing, or clockSkew unsound', {
      reason: 'verifier-options',
      fix: 'name both, and a clockSkew of 0 to 60 seconds',
    })
  }
  const keyOf = keysAt(options.jwks ?? `${issuer}/oauth/jwks`, clock)
  return {
    async verify(token, { certificate } = {}) {
      if (token.length > maxTokenBytes) refuse('token-too-large', 'the token is too large')
      const parsed = readCompact(token, accessTokenTypes)
      const { keyId, claims } = parsed
      const spki = keyId === undefined ? undefined : await keyOf(keyId)
      const key = spki && publicKeyOf(spki)
      if (key === undefined) return refuse('token-key', 'the issuer has no key of this id')
      if (!(await verifySignature(token, parsed, key))) {
        refuse('token-signature', 'the signature of the token is wrong')
      }
      const access = readAccess(claims, {
        issuer,
        audience,
        clockSkewSeconds: clockSkew,
        thumbprint: certificate && hash('sha256', certificate, 'base64url'),
        requireBound,
        now: clock.now(),
      })
      return keepToken(access, token)
    },
  }
}

function refuse(reason: string, message: string): never {
  throw new CountersignError('unauthenticated', message, { reason })
}
