import { randomUUID } from 'node:crypto'
import type { Socket } from 'node:net'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'
import { CountersignError } from '../../../src/errors.ts'
import { parseJsonObject } from '../../../src/jwt/strict-json.ts'
import { runTogether } from '../../../src/runtime/tasks.ts'
import { RateLimiter } from '../../access/limits.ts'
import type { Ca } from '../../ca/ca.ts'
import { answerOf, type OauthAnswer } from '../answer.ts'
import { addDocument, keysOf } from '../documents-route.ts'
import { bearerOf, queryOf, requestOf, sendAnswer } from '../feed-route.ts'
import { createOutbox, type OutboxDeps } from './outbox.ts'
import { createPollDoor } from './poll.ts'
import { runPush } from './push.ts'
import { createReceiverDoor, notReceiver, type ReceiverDoorDeps } from './receiver-door.ts'
import type { EventStream } from './settings.ts'
import {
  ssfPaths,
  statusDocument,
  streamDocument,
  transmitterDocument,
  verificationBody,
  verificationSeconds,
} from './transmitter.ts'

export interface SsfDeps extends ReceiverDoorDeps, Omit<OutboxDeps, 'ca' | 'streams'> {
  readonly ca: OutboxDeps['ca'] & Pick<Ca, 'state'>
  /** How long the public documents may be kept, seconds. */
  readonly maxAge: number
}

const jsonBytes = 32_768

const verification = z.looseObject({
  stream_id: z.string().max(64),
  state: z.string().max(1024).optional(),
})

/**
 * The doors for receivers of events outside, none where there are no streams; the result sends what is to be sent until the
 * signal aborts.
 */
export function addSsf(
  app: FastifyInstance,
  chainOf: (socket: Socket) => readonly Buffer[] | undefined,
  deps: SsfDeps,
): (signal: AbortSignal) => Promise<void> {
  const { issuer, streams, ca, maxAge, clock } = deps
  if (streams.size === 0) return async () => {}
  const transmitter = transmitterDocument(issuer)
  addDocument(app, ssfPaths.metadata, maxAge, () => transmitter)
  addDocument(app, ssfPaths.keys, maxAge, () => keysOf(ca, 'events'))

  const outbox = createOutbox(deps)
  const poll = createPollDoor({ ...deps, outbox })
  const receivers = createReceiverDoor(deps)
  const verifications = new RateLimiter({ perSecond: 1 / verificationSeconds, burst: 1 }, clock)
  const serve = async (
    request: FastifyRequest,
    reply: FastifyReply,
    answer: (own: readonly EventStream[]) => Promise<OauthAnswer>,
  ): Promise<FastifyReply> => {
    const asked = requestOf(request, chainOf(request.raw.socket) ?? [])
    return sendAnswer(request, reply, await receivers(asked, bearerOf(request), answer))
  }
  const named = (own: readonly EventStream[], id: string | undefined): EventStream => {
    const stream = own.find((one) => one.id === id)
    if (stream === undefined) throw notReceiver()
    return stream
  }
  app.get(ssfPaths.streams, (request, reply) =>
    serve(request, reply, async (own) => {
      const id = queryOf(request, 'stream_id')
      return id === undefined
        ? answerOf(own.map((stream) => streamDocument(issuer, stream)))
        : answerOf(streamDocument(issuer, named(own, id)))
    }),
  )
  app.get(ssfPaths.status, (request, reply) =>
    serve(request, reply, async (own) =>
      answerOf(statusDocument(named(own, queryOf(request, 'stream_id')))),
    ),
  )
  // Where JSON is read no form is, and the other way.
  app.register((json, _options, registered) => {
    json.removeAllContentTypeParsers()
    json.addContentTypeParser(
      'application/json',
      { parseAs: 'string', bodyLimit: jsonBytes },
      (_request, body, done) => done(null, body),
    )
    json.post(`${ssfPaths.poll}:id`, (request, reply) => {
      const gone = new AbortController()
      reply.raw.once('close', () => gone.abort())
      return serve(request, reply, (own) => {
        const { id } = request.params as { readonly id: string }
        const stream = named(own, id)
        if (stream.push !== undefined) throw pushed()
        return poll(stream, String(request.body ?? ''), gone.signal)
      })
    })
    json.post(ssfPaths.verification, (request, reply) =>
      serve(request, reply, async (own) => {
        const { stream_id, state } = readVerification(String(request.body ?? ''))
        const stream = named(own, stream_id)
        if (!verifications.tryTake(stream.id)) throw verifiedLately()
        const body = JSON.stringify(verificationBody(stream, state))
        const event = { stream: stream.id, jti: randomUUID(), body, createdAt: clock.now() }
        await outbox.add(event)
        return { ...answerOf({}), status: 204, body: '' }
      }),
    )
    registered()
  })
  const pushes = [...streams.values()].flatMap((stream) =>
    stream.push === undefined ? [] : [[stream, stream.push] as const],
  )
  return (signal) =>
    runTogether(
      signal,
      (until) => outbox.run(until),
      ...pushes.map(
        ([stream, push]) =>
          (until: AbortSignal) =>
            runPush(stream, push, { ...deps, outbox }, until),
      ),
    )
}

function readVerification(body: string): z.infer<typeof verification> {
  try {
    return verification.parse(parseJsonObject(body).members)
  } catch (cause) {
    throw new CountersignError('invalid', 'stream_id is missing', {
      reason: 'request-malformed',
      cause,
    })
  }
}

function verifiedLately(): CountersignError {
  return new CountersignError('exhausted', 'this stream was verified a moment ago', {
    reason: 'ssf-verified-lately',
    retryAfterMs: verificationSeconds * 1000,
  })
}

function pushed(): CountersignError {
  return new CountersignError('invalid', 'the events of this stream are sent, not fetched', {
    reason: 'request-stream-pushed',
  })
}
