import type { IncomingMessage } from 'node:http'
import { TLSSocket } from 'node:tls'
import { CountersignError } from '../errors.ts'
import { bearerOf } from '../middleware/bearer.ts'
import {
  authorizationsOf,
  type Fault,
  type NodeMiddleware,
  refusalOrFault,
} from '../middleware/node.ts'
import type { Refusal } from '../middleware/refusal.ts'
import type { Access } from './access-token.ts'
import type { Verifier } from './verifier.ts'

/** What a request has to bring. */
export interface RequireAccessTokenOptions {
  readonly verifier: Verifier
  /** What the token must allow, each of them. There is no default; `[]` lets in any token for this service. */
  readonly scopes: readonly string[]
}

// Nothing that a header, a body or another middleware can set.
const accesses = new WeakMap<object, Access>()

/**
 * Middleware of Express, Connect and node:http: lets in requests with a good access token, in
 * `authorization: Bearer`, that allows all of the scopes; a handler behind it asks `accessOf(request)`. Answers
 * others with 401, 403 or 400 (RFC 6750 §3), with 503 while the issuer's keys cannot be had, and with 500, and a
 * warning of the process, where the verifier throws something else. Throws `invalid`, `scope-unsound`.
 */
export function requireAccessToken(options: RequireAccessTokenOptions): NodeMiddleware {
  const { verifier, scopes } = options
  if (!scopes.every((scope) => /^[\x21\x23-\x5b\x5d-\x7e]+$/.test(scope))) {
    throw new CountersignError('invalid', 'a scope has neither blanks nor quotes', {
      reason: 'scope-unsound',
    })
  }
  return async (request, response, next) => {
    const refusal = await refuses(request)
    if (refusal !== undefined) response.writeHead(refusal.status, refusal.headers).end(refusal.body)
    else next()
  }

  async function refuses(request: IncomingMessage): Promise<Refusal | Fault | undefined> {
    try {
      const token = bearerOf(authorizationsOf(request), 'an access token')
      const access = await verifier.verify(token, { certificate: certificateOf(request) })
      checkScopes(access, scopes)
      accesses.set(request, access)
      return undefined
    } catch (error) {
      if (error instanceof CountersignError && error.code === 'unavailable') return later(error)
      return refusalOrFault(error, scopes.join(' '))
    }
  }
}

/**
 * What the token of a request allows that came through `requireAccessToken`. Throws `unauthenticated`,
 * `access-unchecked`, for any other.
 */
export function accessOf(request: object): Access {
  const access = accesses.get(request)
  if (access !== undefined) return access
  throw new CountersignError('unauthenticated', 'nobody checked what this request may do', {
    reason: 'access-unchecked',
    fix: 'put requireAccessToken in front of this handler',
  })
}

function checkScopes(access: Access, scopes: readonly string[]): void {
  if (scopes.every((scope) => access.scopes.has(scope))) return
  throw new CountersignError('forbidden', 'the token does not allow this', {
    reason: 'token-scope',
  })
}

/** The handshake of this very connection has proved that the caller has its key. */
function certificateOf({ socket }: IncomingMessage): Buffer | undefined {
  return socket instanceof TLSSocket ? socket.getPeerX509Certificate()?.raw : undefined
}

function later({ code, reason, message }: CountersignError): Fault {
  return {
    status: 503,
    headers: { 'content-type': 'application/json', 'retry-after': '5' },
    body: JSON.stringify({ code, reason, message }),
  }
}
