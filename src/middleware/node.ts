import type { IncomingMessage, ServerResponse } from 'node:http'
import { jwtCheck, type RequireJwtSvidOptions } from './jwt-check.ts'
import { setJwtPeer } from './jwt-peer.ts'
import { type Refusal, refusalOf, type Wanted } from './refusal.ts'

/** What Express, Connect and others of their kind take. */
export type NodeMiddleware = (
  request: IncomingMessage,
  response: ServerResponse,
  next: (error?: unknown) => void,
) => Promise<void>

/**
 * Lets in requests with a JWT-SVID, in `authorization: Bearer`, that is for this audience, good by the
 * bundle of its own trust domain, and of somebody whom `authorize` takes; a handler behind it asks
 * `jwtPeerOf(request)`. Answers all others with 401, 403 or 400 (RFC 6750 §3), with 503 where `bundles` cannot say
 * now, and with 500, and a warning of the process, where `authorize` or `bundles` throws something else. Throws
 * `invalid`, `audience-missing`.
 */
export function requireJwtSvid(options: RequireJwtSvidOptions): NodeMiddleware {
  const check = jwtCheck(options)
  return nodeMiddleware(async (request) => {
    setJwtPeer(request, await check(authorizationsOf(request)))
  })
}

/** What lets in each request for which `letIn` does not reject. */
export function nodeMiddleware(
  letIn: (request: IncomingMessage, response: ServerResponse) => Promise<void>,
  wanted?: Wanted,
): NodeMiddleware {
  return async (request, response, next) => {
    const answer = await answerTo(request, response)
    if (answer === undefined) next()
    // It may have been too late for somebody who has answered in our place: to write a head once more throws.
    else if (!response.headersSent)
      response.writeHead(answer.status, answer.headers).end(answer.body)
  }

  async function answerTo(
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<Refusal | Fault | undefined> {
    try {
      await letIn(request, response)
      return undefined
    } catch (error) {
      return refusalOrFault(error, wanted)
    }
  }
}

type Fault = typeof fault

const fault = { status: 500, headers: {}, body: '' }

/**
 * A fault is neither given to `next`, where a handler of plain node:http may take it for leave to go on,
 * nor thrown: nobody but Express 5 hears a rejection, which ends the process.
 */
export function refusalOrFault(error: unknown, wanted?: Wanted): Refusal | Fault {
  try {
    return refusalOf(error, wanted)
  } catch {
    process.emitWarning(error instanceof Error ? error : String(error))
    return fault
  }
}

/** Each of them: what Node calls `headers` holds the first alone. */
export function authorizationsOf(request: {
  readonly rawHeaders: readonly string[]
}): readonly string[] {
  const { rawHeaders } = request
  return rawHeaders.filter(
    (_, i) => i % 2 === 1 && /^authorization$/i.test(rawHeaders[i - 1] ?? ''),
  )
}
