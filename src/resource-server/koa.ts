import { type KoaMiddleware, koaMiddleware } from '../middleware/koa.ts'
import { authorizationsOf } from '../middleware/node.ts'
import { accessCheck, type RequireAccessTokenOptions } from './access-check.ts'
import { setAccess } from './access-of.ts'
import { certificateOf } from './certificate.ts'
import { cutOffWith } from './cut-off.ts'

/**
 * As that of Express does; a handler behind it asks `accessOf(ctx)`. Throws `invalid`: `scope-unsound`,
 * `resource-metadata`.
 */
export function requireAccessToken(options: RequireAccessTokenOptions): KoaMiddleware {
  const { check, wanted } = accessCheck(options)
  return koaMiddleware(async (context) => {
    const { req, res } = context
    const access = await check(authorizationsOf(req), certificateOf(req.socket))
    setAccess(context, access)
    cutOffWith(access, res)
  }, wanted)
}
