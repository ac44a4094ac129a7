import type { IncomingMessage, ServerResponse } from 'node:http'
import { jwtCheck, type RequireJwtSvidOptions } from './jwt-check.ts'
import { setJwtPeer } from './jwt-peer.ts'
import { authorizationsOf, refusalOrFault } from './node.ts'
import type { Wanted } from './refusal.ts'

/** What it uses of Fastify's request. */
export interface FastifyRequest {
  readonly raw: Pick<IncomingMessage, 'rawHeaders' | 'socket'>
}

/** What it uses of Fastify's reply. */
export interface FastifyReply {
  readonly raw: Pick<ServerResponse, 'once' | 'destroyed' | 'destroy'>
  code(status: number): this
  headers(values: Record<string, string>): this
  send(body: string): this
}

/** A hook for `onRequest`, of an instance or of a route. */
export type FastifyHook = (request: FastifyRequest, reply: FastifyReply) => Promise<unknown>

/**
 * A hook for `onRequest`, of an instance or of a route, that does what the middleware of Express does; a
 * handler behind it asks `jwtPeerOf(request)`. Throws `invalid`, `audience-missing`.
 */
export function requireJwtSvid(options: RequireJwtSvidOptions): FastifyHook {
  const check = jwtCheck(options)
  return fastifyHook(async (request) => {
    setJwtPeer(request, await check(authorizationsOf(request.raw)))
  })
}

/** What lets in each request for which `letIn` does not reject. */
export function fastifyHook(
  letIn: (request: FastifyRequest, reply: FastifyReply) => Promise<void>,
  wanted?: Wanted,
): FastifyHook {
  return async (request, reply) => {
    try {
      await letIn(request, reply)
      return undefined
    } catch (error) {
      // Fastify would answer with the text of a fault, which may say anything, whoever asks.
      const { status, headers, body } = refusalOrFault(error, wanted)
      return reply.code(status).headers(headers).send(body)
    }
  }
}
