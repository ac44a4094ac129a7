import type { Server } from 'node:http'
import type { Registry } from 'prom-client'
import { cannotListen } from './cannot-listen.ts'
import { formatHostPort, type HostPort } from './config-value.ts'
import { inTurn } from './in-turn.ts'
import { keepNewest } from './keep-newest.ts'
import type { Log } from './log.ts'

export interface Monitored {
  /** Why the process cannot do its work now; undefined: it can. */
  notReady(): Promise<string | undefined>
  readonly metrics: Registry
}

// Not by `import`: that reads each export once, and among those of node:http are WebSocket and others
// that load Node's whole fetch, 7 MB which nothing here uses.
const { createServer } = process.getBuiltinModule('node:http')

const maxConnections = 64
const httpLimits = {
  maxHeaderSize: 8192,
  requestTimeout: 5000,
  headersTimeout: 5000,
  keepAliveTimeout: 5000,
  connectionsCheckingInterval: 1000,
} as const
/** A connection on which nothing comes or goes for so long is shut: somebody who takes no answer. */
const idleMs = 10_000

/**
 * Serves `/live`, `/ready` and `/metrics` until the signal aborts: GET only, no state changes here,
 * no identity is asked for, so it is bound to loopback unless the operator says otherwise.
 */
export async function serveMonitoring(
  address: HostPort,
  monitored: Monitored,
  log: Log,
  signal: AbortSignal,
): Promise<void> {
  const server = createServer(
    httpLimits,
    inTurn((request, response) => {
      answer(request.method, request.url, monitored).then(
        ({ status, type, body }) => {
          response.writeHead(status, { 'content-type': type, 'cache-control': 'no-store' })
          response.end(request.method === 'HEAD' ? undefined : body)
        },
        (error) => {
          log.error('monitoring request failed', { error })
          response.writeHead(500).end()
        },
      )
    }),
  )
  server.timeout = idleMs
  const endAll = keepNewest(server, maxConnections)
  await listen(server, address)
  // Such as EMFILE at accept: the listener lives on.
  server.on('error', (error) => log.warn('monitoring cannot take a connection', { error }))
  log.info('monitoring listens', { address: formatHostPort(address) })
  await new Promise<void>((resolve) => {
    const stop = (): void => {
      server.close(() => resolve())
      endAll()
    }
    if (signal.aborted) stop()
    else signal.addEventListener('abort', stop, { once: true })
  })
}

interface Answer {
  readonly status: number
  readonly type: string
  readonly body: string
}

async function answer(
  method: string | undefined,
  url: string | undefined,
  monitored: Monitored,
): Promise<Answer> {
  const text = (status: number, body: string): Answer => ({ status, type: 'text/plain', body })
  if (method !== 'GET' && method !== 'HEAD') return text(405, 'GET only\n')
  switch (url) {
    case '/live':
      return text(200, 'ok\n')
    case '/ready': {
      const reason = await monitored.notReady()
      return reason === undefined ? text(200, 'ok\n') : text(503, `${reason}\n`)
    }
    case '/metrics':
      return {
        status: 200,
        type: monitored.metrics.contentType,
        body: await monitored.metrics.metrics(),
      }
    default:
      return text(404, 'there are /live, /ready and /metrics\n')
  }
}

function listen(server: Server, address: HostPort): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (error: Error): void =>
      reject(cannotListen(`http_address ${formatHostPort(address)}`, error))
    server.once('error', fail)
    server.listen(address.port, address.host, () => {
      server.off('error', fail)
      resolve()
    })
  })
}
