import { jwtCheck, type RequireJwtSvidOptions } from './jwt-check.ts'
import { setJwtPeer } from './jwt-peer.ts'
import { refusalOf, type Wanted } from './refusal.ts'

/** What it uses of Hono's context. */
export interface HonoContext {
  readonly req: { header(name: string): string | undefined }
}

/** What Hono's `use` takes. */
export type HonoMiddleware<C extends HonoContext = HonoContext> = (
  context: C,
  next: () => Promise<void>,
) => Promise<Response | undefined>

/** As that of Express does; a handler behind it asks `jwtPeerOf(c)`. Throws `invalid`, `audience-missing`. */
export function requireJwtSvid(options: RequireJwtSvidOptions): HonoMiddleware {
  const check = jwtCheck(options)
  return honoMiddleware(async (context) => {
    setJwtPeer(context, await check(honoAuthorizations(context)))
  })
}

/** What lets in each request for which `letIn` does not reject. */
export function honoMiddleware<C extends HonoContext>(
  letIn: (context: C) => Promise<void>,
  wanted?: Wanted,
): HonoMiddleware<C> {
  return async (context, next) => {
    const refusal = await refuses(context)
    if (refusal === undefined) await next()
    return refusal
  }

  async function refuses(context: C): Promise<Response | undefined> {
    try {
      await letIn(context)
      return undefined
    } catch (error) {
      const { body, ...init } = refusalOf(error, wanted)
      return new Response(body, init)
    }
  }
}

export function honoAuthorizations(context: HonoContext): readonly string[] {
  const given = context.req.header('authorization')
  return given === undefined ? [] : [given]
}
