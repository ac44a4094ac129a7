import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { serve as serveHono } from '@hono/node-server'
import connect from 'connect'
import * as connectJwt from 'countersign/connect'
import * as expressJwt from 'countersign/express'
import * as fastifyJwt from 'countersign/fastify'
import * as honoJwt from 'countersign/hono'
import * as koaJwt from 'countersign/koa'
import express from 'express'
import fastify from 'fastify'
import { Hono } from 'hono'
import Koa from 'koa'
import type { RequireJwtSvidOptions } from '../../../src/middleware/jwt-check.ts'

/** A running service whose one handler answers who called, behind `requireJwtSvid`; beside it `/open` has none. */
export interface Service {
  readonly port: number
  close(): Promise<unknown>
}

type Start = (
  options: RequireJwtSvidOptions,
  served: (spiffeId: string) => void,
) => Promise<Service>

export const frameworks: Readonly<Record<string, Start>> = {
  'Express 5': (options, served) => {
    const app = express()
    app.get('/open', (request, response) => void response.send(expressJwt.jwtPeerOf(request)))
    app.use(expressJwt.requireJwtSvid(options))
    app.get('/', (request, response) => {
      const { spiffeId } = expressJwt.jwtPeerOf(request)
      served(spiffeId)
      response.send(spiffeId)
    })
    return listen(app)
  },

  Connect: (options, served) => {
    const app = connect()
    app.use('/open', (request) => void connectJwt.jwtPeerOf(request))
    app.use(connectJwt.requireJwtSvid(options))
    app.use((request, response) => {
      const { spiffeId } = connectJwt.jwtPeerOf(request)
      served(spiffeId)
      response.end(spiffeId)
    })
    return listen(app)
  },

  'node:http': (options, served) => {
    const check = connectJwt.requireJwtSvid(options)
    return listen((request, response) => {
      if (request.url === '/open') return void response.writeHead(500).end()
      return check(request, response, () => {
        const { spiffeId } = connectJwt.jwtPeerOf(request)
        served(spiffeId)
        response.end(spiffeId)
      })
    })
  },

  Koa: (options, served) => {
    const app = new Koa()
    app.silent = true
    app.use((ctx, next) => (ctx.path === '/open' ? void koaJwt.jwtPeerOf(ctx) : next()))
    app.use(koaJwt.requireJwtSvid(options))
    app.use((ctx) => {
      const { spiffeId } = koaJwt.jwtPeerOf(ctx)
      served(spiffeId)
      ctx.body = spiffeId
    })
    return listen(app.callback())
  },

  'Fastify 5': async (options, served) => {
    const app = fastify()
    app.get('/open', (request) => fastifyJwt.jwtPeerOf(request))
    app.get('/', { onRequest: fastifyJwt.requireJwtSvid(options) }, (request) => {
      const { spiffeId } = fastifyJwt.jwtPeerOf(request)
      served(spiffeId)
      return spiffeId
    })
    await app.listen({ host: '127.0.0.1', port: 0 })
    return { port: portOf(app.server), close: () => app.close() }
  },

  Hono: async (options, served) => {
    const app = new Hono()
    app.get('/open', (c) => c.text(honoJwt.jwtPeerOf(c).spiffeId))
    app.onError((_, c) => c.text('', 500))
    app.use(honoJwt.requireJwtSvid(options))
    app.get('/', (c) => {
      const { spiffeId } = honoJwt.jwtPeerOf(c)
      served(spiffeId)
      return c.text(spiffeId)
    })
    const server = serveHono({ fetch: app.fetch, hostname: '127.0.0.1', port: 0 }) as Server
    await new Promise((resolve) => server.once('listening', resolve))
    return { port: portOf(server), close: () => closed(server) }
  },
}

async function listen(handler: RequestListener): Promise<Service> {
  const server = createServer(handler)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return { port: portOf(server), close: () => closed(server) }
}

function portOf(server: Pick<Server, 'address'>): number {
  return (server.address() as AddressInfo).port
}

function closed(server: Server): Promise<unknown> {
  server.closeAllConnections()
  return new Promise((resolve) => server.close(resolve))
}
