import type { Socket } from 'node:net'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { CountersignError } from '../../src/errors.ts'
import { formatHostPort } from '../../src/runtime/config-value.ts'
import { type Acknowledgements, acknowledgeWithinMs } from '../revocation/acknowledgements.ts'
import type { FeedPublisher } from '../revocation/publisher.ts'
import { answerOf, type OauthAnswer } from './answer.ts'
import {
  type ClientDoorDeps,
  type ClientRequest,
  createClientDoor,
  type OauthRequest,
} from './client-door.ts'
import { createFeedStreams } from './feed-streams.ts'
import type { OauthSettings } from './settings.ts'
import { assertionForm } from './spiffe-client-auth.ts'
import { stillGood } from './still-good.ts'

export interface FeedRouteDeps extends ClientDoorDeps {
  readonly settings: Pick<OauthSettings, 'issuer' | 'resources'>
  readonly publisher: FeedPublisher
  readonly acknowledgements: Pick<Acknowledgements, 'join'>
}

/** What a reader draws for a connection: 96 to 384 bits. */
const nonceForm = /^[A-Za-z0-9_-]{16,64}$/

/**
 * The feed of revocations, as server-sent events, for those who serve a resource: it names workloads and tokens, and is
 * not for everybody. They prove themselves as any client does, but in a GET: `client_id` is in the query, a JWT-SVID in
 * `authorization: Bearer`.
 */
export function addFeed(
  app: FastifyInstance,
  path: string,
  chainOf: (socket: Socket) => readonly Buffer[] | undefined,
  deps: FeedRouteDeps,
): void {
  const streams = createFeedStreams(deps)
  app.get(path, { exposeHeadRoute: false }, async (request, reply) => {
    const admitted: ClientRequest[] = []
    const door = createClientDoor('feed', deps, async (asking) => {
      checkServes(asking, deps.settings)
      streams.checkRoom(asking.client.spiffeId)
      admitted.push(asking)
      return answerOf({})
    })
    const asked = requestOf(request, chainOf(request.raw.socket) ?? [])
    const nonce = nonceOf(request)
    const { status, headers, body } =
      nonce === undefined ? await door.refuse(asked, nonceMissing()) : await door.answer(asked)
    const [asking] = admitted
    if (asking === undefined || nonce === undefined) {
      return sendAnswer(request, reply, { status, headers, body })
    }
    const { client } = asking
    const said = request.headers['last-event-id']
    reply.hijack()
    const withinMs = acknowledgeWithinMs(deps.publisher.readers)
    const standing = deps.acknowledgements.join({ spiffeId: client.spiffeId, nonce }, withinMs)
    await streams.serve(reply.raw, {
      ...{ nonce, lastEventId: typeof said === 'string' ? said : undefined },
      ...{ spiffeId: client.spiffeId, expiresAt: client.expiresAt, withinMs },
      stillGood: stillGood(asked, client, deps),
      opened: () => standing.opened(),
    })
    standing.leave()
    return reply
  })
}

/** Throws `forbidden` `feed-not-served`. */
export function checkServes(
  { client }: ClientRequest,
  { resources }: Pick<OauthSettings, 'resources'>,
): void {
  for (const { servedBy } of resources.values()) if (servedBy.has(client.spiffeId)) return
  throw new CountersignError('forbidden', 'the feed is for those who serve a resource', {
    reason: 'feed-not-served',
    fix: 'name this workload in served_by of its resource',
  })
}

/** What is said in a request without a form. */
export function requestOf(request: FastifyRequest, chain: readonly Buffer[]): OauthRequest {
  const { traceparent } = request.headers
  const { remoteAddress: host = '', remotePort: port = 0 } = request.raw.socket
  const form = new URLSearchParams()
  const others: string[] = []
  for (const said of authorizationsOf(request)) {
    const bearer = bearerForm.exec(said)?.[1]
    if (bearer === undefined) others.push(said)
    else for (const [name, value] of Object.entries(assertionForm(bearer))) form.append(name, value)
  }
  const { client_id: clientIds = [] } = request.query as Readonly<Record<string, string | string[]>>
  for (const clientId of [clientIds].flat()) form.append('client_id', clientId)
  return {
    body: form.toString(),
    authorization: others[0],
    chain,
    address: formatHostPort({ host, port }),
    trace: typeof traceparent === 'string' ? traceparent : undefined,
  }
}

const bearerForm = /^Bearer ([^ ]+)$/i

/** What is shown in `authorization: Bearer`, where that is there once. */
export function bearerOf(request: FastifyRequest): string | undefined {
  const [said = '', another] = authorizationsOf(request)
  return another === undefined ? bearerForm.exec(said)?.[1] : undefined
}

/** Of a door to which one shows a bearer: whoever is not let in is told so (RFC 9110 §11.6.1, RFC 6750 §3). */
export function sendAnswer(
  request: FastifyRequest,
  reply: FastifyReply,
  { status, headers, body }: OauthAnswer,
): FastifyReply {
  if (status === 401) {
    const isShown = bearerOf(request) !== undefined
    reply.header('www-authenticate', isShown ? 'Bearer error="invalid_token"' : 'Bearer')
  }
  return reply.code(status).headers(headers).send(body)
}

/** All that are there: of several, `headers` has the first alone. */
function authorizationsOf({ raw }: FastifyRequest): readonly string[] {
  return raw.headersDistinct['authorization'] ?? []
}

/** Where it is one: what is remembered by it has a bound. */
export function nonceOf(request: FastifyRequest): string | undefined {
  const nonce = queryOf(request, 'nonce')
  return nonce !== undefined && nonceForm.test(nonce) ? nonce : undefined
}

/** Where it is there once. */
export function queryOf({ query }: FastifyRequest, name: string): string | undefined {
  const value = (query as Readonly<Record<string, unknown>>)[name]
  return typeof value === 'string' ? value : undefined
}

function nonceMissing(): CountersignError {
  return new CountersignError('invalid', 'nonce has 16 to 64 characters of base64url', {
    reason: 'request-nonce',
  })
}
