import type { IncomingMessage, ServerResponse } from 'node:http'
import { jwtCheck, type RequireJwtSvidOptions } from './jwt-check.ts'
import { setJwtPeer } from './jwt-peer.ts'
import { authorizationsOf } from './node.ts'
import { refusalOf, type Wanted } from './refusal.ts'

/** What it uses of Koa's context. */
export interface KoaContext {
  readonly req: Pick<IncomingMessage, 'rawHeaders' | 'socket'>
  readonly res: Pick<ServerResponse, 'once' | 'destroyed' | 'destroy'>
  status: number
  body: unknown
  set(headers: Record<string, string>): void
}

/** What Koa's `use` takes. */
export type KoaMiddleware = (context: KoaContext, next: () => Promise<unknown>) => Promise<void>

/** As that of Express does; a handler behind it asks `jwtPeerOf(ctx)`. Throws `invalid`, `audience-missing`. */
export function requireJwtSvid(options: RequireJwtSvidOptions): KoaMiddleware {
  const check = jwtCheck(options)
  return koaMiddleware(async (context) => {
    setJwtPeer(context, await check(authorizationsOf(context.req)))
  })
}

/** What lets in each request for which `letIn` does not reject. */
export function koaMiddleware(
  letIn: (context: KoaContext) => Promise<void>,
  wanted?: Wanted,
): KoaMiddleware {
  return async (context, next) => {
    if (await isIn(context)) await next()
  }

  async function isIn(context: KoaContext): Promise<boolean> {
    try {
      await letIn(context)
      return true
    } catch (error) {
      const { status, headers, body } = refusalOf(error, wanted)
      context.status = status
      context.body = body
      context.set(headers)
      return false
    }
  }
}
