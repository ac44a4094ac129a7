import { authorizationsOf, type NodeMiddleware, nodeMiddleware } from '../middleware/node.ts'
import { accessCheck, type RequireAccessTokenOptions } from './access-check.ts'
import { setAccess } from './access-of.ts'
import { certificateOf } from './certificate.ts'
import { cutOffWith } from './cut-off.ts'

/**
 * Middleware of Express, Connect, node:http and node:http2: lets in requests with a good access token, in
 * `authorization: Bearer`, that allows all of the scopes; a handler behind it asks `accessOf(request)`. Answers
 * others with 401, 403 or 400 (RFC 6750 §3), with 503 while the verifier cannot say, and with 500, and a
 * warning of the process, where it throws something else. Throws `invalid`: `scope-unsound`, `resource-metadata`.
 */
export function requireAccessToken(options: RequireAccessTokenOptions): NodeMiddleware {
  const { check, wanted } = accessCheck(options)
  return nodeMiddleware(async (request, response) => {
    const access = await check(authorizationsOf(request), certificateOf(request.socket))
    setAccess(request, access)
    cutOffWith(access, response)
  }, wanted)
}
