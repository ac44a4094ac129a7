import type { Duplex } from 'node:stream'
import {
  type HonoContext,
  type HonoMiddleware,
  honoAuthorizations,
  honoMiddleware,
} from '../middleware/hono.ts'
import { accessCheck, type RequireAccessTokenOptions } from './access-check.ts'
import { setAccess } from './access-of.ts'
import { certificateOf } from './certificate.ts'
import { type Cuttable, cutOffWith } from './cut-off.ts'

/** What it uses of Hono's context: where `@hono/node-server` serves, the request of Node's is there. */
export interface HonoAccessContext extends HonoContext {
  readonly env: unknown
}

/** What `@hono/node-server` lets handlers see. */
interface NodeEnv {
  readonly incoming?: { readonly socket?: Duplex }
  readonly outgoing?: Cuttable
}

/**
 * As that of Express does; a handler behind it asks `accessOf(c)`. What serves Hono elsewhere than on Node shows no
 * certificates: a bound token is good there on no connection, and no answer that has begun is cut off. Throws `invalid`: `scope-unsound`, `resource-metadata`.
 */
export function requireAccessToken(
  options: RequireAccessTokenOptions,
): HonoMiddleware<HonoAccessContext> {
  const { check, wanted } = accessCheck(options)
  return honoMiddleware(async (context) => {
    const env = context.env as NodeEnv | undefined
    const socket = env?.incoming?.socket
    const certificate = socket && certificateOf(socket)
    const access = await check(honoAuthorizations(context), certificate)
    setAccess(context, access)
    if (env?.outgoing) cutOffWith(access, env.outgoing)
  }, wanted)
}
