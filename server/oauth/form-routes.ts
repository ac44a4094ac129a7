import type { Socket } from 'node:net'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { readTraceparent } from '../../src/audit/traceparent.ts'
import { CountersignError } from '../../src/errors.ts'
import { later } from '../../src/runtime/clock.ts'
import { formatHostPort } from '../../src/runtime/config-value.ts'
import type { Log } from '../../src/runtime/log.ts'
import { type OauthAnswer, refusalOf } from './answer.ts'
import type { ClientDoor, OauthRequest } from './client-door.ts'

/** The doors to which clients send forms, by path. */
export interface FormRoutes {
  add(path: string, door: ClientDoor): void
}

const reasons: Readonly<Record<number, string>> = {
  413: 'request-too-large',
  415: 'request-content-type',
}

export interface FormRoutesDeps {
  /** What the client of this connection has presented in TLS; undefined: it is none of this server's. */
  readonly chainOf: (socket: Socket) => readonly Buffer[] | undefined
  /** After this an answer that is still waited for is an error, whatever the server waits for. */
  readonly answerWithinMs: number
  readonly log: Log
}

export function formRoutes(
  app: FastifyInstance,
  { chainOf, answerWithinMs, log }: FormRoutesDeps,
): FormRoutes {
  const doors = new Map<string, ClientDoor>()
  // By the route that was found, however its path was written; where there is none, by the path as it came.
  const doorOf = ({ routeOptions, url }: FastifyRequest): ClientDoor | undefined =>
    doors.get(routeOptions.url ?? url.split('?')[0] ?? '')
  app.removeAllContentTypeParsers()
  app.addContentTypeParser(
    'application/x-www-form-urlencoded',
    { parseAs: 'string' },
    (_request, body, done) => done(null, body),
  )
  app.setNotFoundHandler(async (request, reply) => {
    const door = doorOf(request)
    if (door === undefined) return reply.code(404).send({ error: 'not found' })
    return begun(reply, await door.refuse(originOf(request), malformed('request-method')))
  })
  app.setErrorHandler(async (error: Error & { readonly statusCode?: number }, request, reply) => {
    const status = error.statusCode ?? 500
    const door = doorOf(request)
    if (door === undefined || (status >= 500 && !(error instanceof CountersignError))) {
      if (status >= 500) log.error('a request for a token could not be served', { error })
      return reply.code(status).send({ error: status >= 500 ? 'server_error' : 'invalid_request' })
    }
    const refusal = error instanceof CountersignError ? error : malformed(reasons[status])
    return begun(reply, await door.refuse(originOf(request), refusal))
  })
  return {
    add(path, door) {
      doors.set(path, door)
      app.post(path, async (request, reply) => {
        const { body, headers, raw } = request
        const chain = chainOf(raw.socket)
        if (typeof body !== 'string' || chain === undefined) throw malformed('request-malformed')
        const { authorization, accept } = headers
        const { address, trace } = originOf(request)
        const answered = later(answerWithinMs, () => {
          // Where the door has thrown, Fastify may have answered.
          if (reply.sent) return
          // On record it could only be put where it may be that nothing can be written.
          log.error('a request for a token was not answered in time', { path: request.url })
          send(reply, refusalOf(late()))
        })
        const answer = await door.answer({ body, authorization, accept, chain, address, trace })
        answered()
        send(reply, answer)
      })
    },
  }
}

function late(): CountersignError {
  return new CountersignError('unavailable', 'the server took too long', {
    reason: 'answer-late',
    retryAfterMs: 1000,
  })
}

function malformed(reason = 'request-malformed'): CountersignError {
  return new CountersignError(
    'invalid',
    'a POST of application/x-www-form-urlencoded of at most 32 KiB is expected',
    { reason },
  )
}

function originOf({ raw, headers }: FastifyRequest): Pick<OauthRequest, 'address' | 'trace'> {
  const { remoteAddress: host = '', remotePort: port = 0 } = raw.socket
  const trace = readTraceparent(headers['traceparent'])
  return { address: formatHostPort({ host, port }), trace }
}

/**
 * By Node alone, where nothing is sent yet: it is whole, and what Fastify would look for in it costs more than all that it
 * has to do.
 */
function send(reply: FastifyReply, { status, headers, body }: OauthAnswer): void {
  if (reply.sent) return
  reply.hijack()
  reply.raw.writeHead(status, { ...headers, 'content-length': Buffer.byteLength(body) })
  reply.raw.end(body)
}

/** What is left to send, and Fastify sends. */
function begun(reply: FastifyReply, { status, headers, body }: OauthAnswer): string {
  reply.code(status).headers(headers)
  return body
}
