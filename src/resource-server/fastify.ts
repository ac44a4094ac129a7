import { type FastifyHook, fastifyHook } from '../middleware/fastify.ts'
import { authorizationsOf } from '../middleware/node.ts'
import { accessCheck, type RequireAccessTokenOptions } from './access-check.ts'
import { setAccess } from './access-of.ts'
import { certificateOf } from './certificate.ts'
import { cutOffWith } from './cut-off.ts'

/**
 * A hook for `onRequest`, of an instance or of a route, that does what the middleware of Express does; a handler
 * behind it asks `accessOf(request)`. Throws `invalid`: `scope-unsound`, `resource-metadata`.
 */
export function requireAccessToken(options: RequireAccessTokenOptions): FastifyHook {
  const { check, wanted } = accessCheck(options)
  return fastifyHook(async (request, reply) => {
    const { raw } = request
    const access = await check(authorizationsOf(raw), certificateOf(raw.socket))
    setAccess(request, access)
    cutOffWith(access, reply.raw)
  }, wanted)
}
