import { jwtCheck, type RequireJwtSvidOptions } from './jwt-check.ts'
import { setJwtPeer } from './jwt-peer.ts'
import { refusalOf } from './refusal.ts'

/** What it uses of Hono's context. */
export interface HonoContext {
  readonly req: { header(name: string): string | undefined }
}

/** As that of Express does; a handler behind it asks `jwtPeerOf(c)`. Throws `invalid`, `audience-missing`. */
export function requireJwtSvid(
  options: RequireJwtSvidOptions,
): (context: HonoContext, next: () => Promise<void>) => Promise<Response | undefined> {
  const check = jwtCheck(options)
  return async (context, next) => {
    const refusal = await refuses(context)
    if (refusal === undefined) await next()
    return refusal
  }

  async function refuses(context: HonoContext): Promise<Response | undefined> {
    const given = context.req.header('authorization')
    try {
      setJwtPeer(context, await check(given === undefined ? [] : [given]))
      return undefined
    } catch (error) {
      const { body, ...init } = refusalOf(error)
      return new Response(body, init)
    }
  }
}
