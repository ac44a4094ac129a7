import { jwtCheck, type RequireJwtSvidOptions } from './jwt-check.ts'
import { setJwtPeer } from './jwt-peer.ts'
import { authorizationsOf } from './node.ts'
import { refusalOf } from './refusal.ts'

/** What it uses of Koa's context. */
export interface KoaContext {
  readonly req: { readonly rawHeaders: readonly string[] }
  status: number
  body: unknown
  set(headers: Record<string, string>): void
}

/** As that of Express does; a handler behind it asks `jwtPeerOf(ctx)`. Throws `invalid`, `audience-missing`. */
export function requireJwtSvid(
  options: RequireJwtSvidOptions,
): (context: KoaContext, next: () => Promise<unknown>) => Promise<void> {
  const check = jwtCheck(options)
  return async (context, next) => {
    if (await letsIn(context)) await next()
  }

  async function letsIn(context: KoaContext): Promise<boolean> {
    try {
      setJwtPeer(context, await check(authorizationsOf(context.req)))
      return true
    } catch (error) {
      const { status, headers, body } = refusalOf(error)
      context.status = status
      context.body = body
      context.set(headers)
      return false
    }
  }
}
