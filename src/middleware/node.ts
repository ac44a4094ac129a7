import type { IncomingMessage, ServerResponse } from 'node:http'
import { jwtCheck, type RequireJwtSvidOptions } from './jwt-check.ts'
import { setJwtPeer } from './jwt-peer.ts'
import { type Refusal, refusalOf } from './refusal.ts'

/** What Express, Connect and others of their kind take. */
export type NodeMiddleware = (
  request: IncomingMessage,
  response: ServerResponse,
  next: (error?: unknown) => void,
) => Promise<void>

/**
 * Lets in requests with a JWT-SVID, in `authorization: Bearer`, that is for this audience, good by the
 * bundle of its own trust domain, and of somebody whom `authorize` takes; a handler behind it asks
 * `jwtPeerOf(request)`. Answers all others with 401, 403 or 400 (RFC 6750 §3). Throws `invalid`,
 * `audience-missing`.
 */
export function requireJwtSvid(options: RequireJwtSvidOptions): NodeMiddleware {
  const check = jwtCheck(options)
  return async (request, response, next) => {
    const refusal = await refuses(request)
    if (refusal !== undefined) response.writeHead(refusal.status, refusal.headers).end(refusal.body)
    else next()
  }

  async function refuses(request: IncomingMessage): Promise<Refusal | undefined> {
    try {
      setJwtPeer(request, await check(authorizationsOf(request)))
      return undefined
    } catch (error) {
      return refusalOf(error)
    }
  }
}

/** Each of them: what Node calls `headers` holds the first alone. */
export function authorizationsOf(request: {
  readonly rawHeaders: readonly string[]
}): readonly string[] {
  const { rawHeaders } = request
  return rawHeaders.filter(
    (_, i) => i % 2 === 1 && /^authorization$/i.test(rawHeaders[i - 1] ?? ''),
  )
}
