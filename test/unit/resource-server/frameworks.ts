import type { RequestListener } from 'node:http'
import { createSecureServer } from 'node:http2'
import { createServer, type ServerOptions } from 'node:https'
import type { AddressInfo, Server } from 'node:net'
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

/** A running service whose one handler answers whom it lets in, behind `requireAccessToken`. */
export interface Service {
  readonly port: number
  readonly http2: boolean
  close(): Promise<unknown>
}

type Start = (options: RequireAccessTokenOptions, tls: ServerOptions) => Promise<Service>

export const frameworks: Readonly<Record<string, Start>> = {
  'Express 5': (options, tls) => {
    const app = express()
    app.use(expressAccess.requireAccessToken(options))
    app.get('/', (request, response) => {
      response.send(expressAccess.accessOf(request).subject)
    })
    return listen(createServer(tls, app))
  },

  Connect: (options, tls) => {
    const app = connect()
    app.use(connectAccess.requireAccessToken(options))
    app.use((request, response) => response.end(connectAccess.accessOf(request).subject))
    return listen(createServer(tls, app))
  },

  'node:https': (options, tls) => listen(createServer(tls, plain(options))),

  'node:http2': (options, tls) => listen(createSecureServer(tls, plain(options) as never), true),

  Koa: (options, tls) => {
    const app = new Koa()
    app.silent = true
    app.use(koaAccess.requireAccessToken(options))
    app.use((ctx) => {
      ctx.body = koaAccess.accessOf(ctx).subject
    })
    return listen(createServer(tls, app.callback()))
  },

  'Fastify 5': (options, tls) => startFastify(fastify({ https: tls }) as never, options, false),

  'Fastify 5 over HTTP/2': (options, tls) =>
    startFastify(fastify({ http2: true, https: tls }) as never, options, true),

  Hono: (options, tls) => startHono(options, createServer, tls, false),

  'Hono over HTTP/2': (options, tls) => startHono(options, createSecureServer, tls, true),
}

function plain(options: RequireAccessTokenOptions): RequestListener {
  const guard = connectAccess.requireAccessToken(options)
  return (request, response) =>
    void guard(request, response, () => response.end(connectAccess.accessOf(request).subject))
}

async function startFastify(
  app: FastifyInstance,
  options: RequireAccessTokenOptions,
  http2: boolean,
): Promise<Service> {
  app.get('/', { onRequest: fastifyAccess.requireAccessToken(options) }, (request) =>
    Promise.resolve(fastifyAccess.accessOf(request).subject),
  )
  await app.listen({ host: '127.0.0.1', port: 0 })
  return { port: portOf(app.server), http2, close: () => app.close() }
}

async function startHono(
  options: RequireAccessTokenOptions,
  make: unknown,
  serverOptions: ServerOptions,
  http2: boolean,
): Promise<Service> {
  const app = new Hono()
  app.use(honoAccess.requireAccessToken(options))
  app.get('/', (c) => c.text(honoAccess.accessOf(c).subject))
  const served = { fetch: app.fetch, createServer: make, serverOptions }
  const server = serveHono({ ...served, hostname: '127.0.0.1', port: 0 } as never) as Server
  await new Promise((resolve) => server.once('listening', resolve))
  return { port: portOf(server), http2, close: () => closed(server) }
}

async function listen(server: Server, http2 = false): Promise<Service> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return { port: portOf(server), http2, close: () => closed(server) }
}

function portOf(server: Pick<Server, 'address'>): number {
  return (server.address() as AddressInfo).port
}

function closed(server: Server): Promise<unknown> {
  return new Promise((resolve) => server.close(resolve))
}
