import { jwtCheck, type RequireJwtSvidOptions } from './jwt-check.ts'
import { setJwtPeer } from './jwt-peer.ts'
import { authorizationsOf } from './node.ts'
import { refusalOf } from './refusal.ts'

/** What it uses of Fastify's request. */
export interface FastifyRequest {
  readonly raw: { readonly rawHeaders: readonly string[] }
}

/** What it uses of Fastify's reply. */
export interface FastifyReply {
  code(status: number): this
  headers(values: Record<string, string>): this
  send(body: string): this
}

/**
 * A hook for `onRequest`, of an instance or of a route, that does what the middleware of Express does; a
 * handler behind it asks `jwtPeerOf(request)`. Throws `invalid`, `audience-missing`.
 */
export function requireJwtSvid(
  options: RequireJwtSvidOptions,
): (request: FastifyRequest, reply: FastifyReply) => Promise<unknown> {
  const check = jwtCheck(options)
  return async (request, reply) => {
    try {
      setJwtPeer(request, await check(authorizationsOf(request.raw)))
      return undefined
    } catch (error) {
      const { status, headers, body } = refusalOf(error)
      return reply.code(status).headers(headers).send(body)
    }
  }
}
