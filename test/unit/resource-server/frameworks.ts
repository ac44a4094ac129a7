import type { RequestListener } from 'node:http'
import { createSecureServer } from 'node:http2'
import { createServer, type ServerOptions } from 'node:https'
import type { AddressInfo, Server } from 'node:net'
import { PassThrough, Readable } from 'node:stream'
import { serve as serveHono } from '@hono/node-server'
import connect from 'connect'
import * as connectAccess from 'countersign/connect'
import * as expressAccess from 'countersign/express'
import * as fastifyAccess from 'countersign/fastify'
import * as honoAccess from 'countersign/hono'
import * as koaAccess from 'countersign/koa'
import type { RequireAccessTokenOptions } from 'countersign/resource-server'
import express from 'express'
import { type FastifyInstance, fastify } from 'fastify'
import { Hono } from 'hono'
import Koa from 'koa'

/**
 * A running service, behind `requireAccessToken`: one handler answers whom it lets in, the other, at `/open`, says
 * `begun` and does not end its answer.
 */
export interface Service {
  readonly port: number
  readonly http2: boolean
  /** To all whose answer has no end. */
  say(text: string): void
  close(): Promise<unknown>
}

type Running = Pick<Service, 'port' | 'http2' | 'close'>
type OpenAnswer = () => PassThrough

type Start = (
  options: RequireAccessTokenOptions,
  tls: ServerOptions,
  answer: OpenAnswer,
) => Promise<Running>

/** Throws where there is none of this name. */
export async function startFramework(
  name: string,
  options: RequireAccessTokenOptions,
  tls: ServerOptions,
): Promise<Service> {
  const answers: PassThrough[] = []
  const running = await frameworks[name]?.(options, tls, () => {
    const answer = new PassThrough()
    answer.write('begun')
    // What reads it may be cut off from its reader.
    answer.on('error', () => {})
    answers.push(answer)
    return answer
  })
  if (running === undefined) throw new TypeError(name)
  return {
    ...running,
    say(text) {
      for (const answer of answers) answer.write(text)
    },
  }
}

export const frameworks: Readonly<Record<string, Start>> = {
  'Express 5': (options, tls, answer) => {
    const app = express()
    app.use(expressAccess.requireAccessToken(options))
    app.get('/', (request, response) => {
      response.send(expressAccess.accessOf(request).subject)
    })
    app.get('/open', (_, response) => void answer().pipe(response))
    return listen(createServer(tls, app))
  },

  Connect: (options, tls, answer) => {
    const app = connect()
    app.use(connectAccess.requireAccessToken(options))
    app.use('/open', (_, response) => void answer().pipe(response))
    app.use((request, response) => response.end(connectAccess.accessOf(request).subject))
    return listen(createServer(tls, app))
  },

  'node:https': (options, tls, answer) => listen(createServer(tls, plain(options, answer))),

  'node:http2': (options, tls, answer) =>
    listen(createSecureServer(tls, plain(options, answer) as never), true),

  Koa: (options, tls, answer) => {
    const app = new Koa()
    app.silent = true
    app.use(koaAccess.requireAccessToken(options))
    app.use((ctx) => {
      ctx.body = ctx.path === '/open' ? answer() : koaAccess.accessOf(ctx).subject
    })
    return listen(createServer(tls, app.callback()))
  },

  'Fastify 5': (options, tls, answer) =>
    startFastify(fastify({ https: tls }) as never, options, answer, false),

  'Fastify 5 over HTTP/2': (options, tls, answer) =>
    startFastify(fastify({ http2: true, https: tls }) as never, options, answer, true),

  Hono: (options, tls, answer) => startHono(options, createServer, tls, answer, false),

  'Hono over HTTP/2': (options, tls, answer) =>
    startHono(options, createSecureServer, tls, answer, true),
}

function plain(options: RequireAccessTokenOptions, answer: OpenAnswer): RequestListener {
  const guard = connectAccess.requireAccessToken(options)
  return (request, response) =>
    void guard(request, response, () => {
      if (request.url === '/open') answer().pipe(response)
      else response.end(connectAccess.accessOf(request).subject)
    })
}

async function startFastify(
  app: FastifyInstance,
  options: RequireAccessTokenOptions,
  answer: OpenAnswer,
  http2: boolean,
): Promise<Running> {
  const onRequest = fastifyAccess.requireAccessToken(options)
  app.get('/open', { onRequest }, (_, reply) => reply.send(answer()))
  app.get('/', { onRequest }, (request) => Promise.resolve(fastifyAccess.accessOf(request).subject))
  await app.listen({ host: '127.0.0.1', port: 0 })
  return { port: portOf(app.server), http2, close: () => app.close() }
}

async function startHono(
  options: RequireAccessTokenOptions,
  make: unknown,
  serverOptions: ServerOptions,
  answer: OpenAnswer,
  http2: boolean,
): Promise<Running> {
  const app = new Hono()
  app.use(honoAccess.requireAccessToken(options))
  app.get('/open', () => new Response(Readable.toWeb(answer()) as ReadableStream))
  app.get('/', (c) => c.text(honoAccess.accessOf(c).subject))
  const served = { fetch: app.fetch, createServer: make, serverOptions }
  const server = serveHono({ ...served, hostname: '127.0.0.1', port: 0 } as never) as Server
  await new Promise((resolve) => server.once('listening', resolve))
  return { port: portOf(server), http2, close: () => closed(server) }
}

async function listen(server: Server, http2 = false): Promise<Running> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return { port: portOf(server), http2, close: () => closed(server) }
}

function portOf(server: Pick<Server, 'address'>): number {
  return (server.address() as AddressInfo).port
}

function closed(server: Server): Promise<unknown> {
  return new Promise((resolve) => server.close(resolve))
}
