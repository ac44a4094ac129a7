import { mkdtempSync, rmSync } from 'node:fs'
import { type IncomingMessage, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { onTestFinished } from 'vitest'
import { runForwardAuth } from '../../../src/forward-auth/main.ts'
import type { Door, ForwardAuthSettings, Route } from '../../../src/forward-auth/settings.ts'
import { endpointsOf } from '../../../src/oauth-client/endpoints.ts'
import type { HostPort } from '../../../src/runtime/config-value.ts'
import { type Log, silentLog } from '../../../src/runtime/log.ts'
import type { FakeClock } from '../../../src/testing/fake-clock.ts'
import { type IssuerServer, startIssuer } from '../oauth-client/test-issuer-server.ts'

export const orders: string = 'https://orders.example.org'

/** What a proxy hears. */
export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  /** Of a refusal. */
  readonly reason: string | undefined
}

export interface Running {
  readonly issuer: IssuerServer
  readonly at: HostPort | string
  readonly ended: Promise<void>
  /** With what the log warned. */
  readonly warned: readonly unknown[]
  stop(): void
}

export function route(pattern: string, scopes: readonly string[], ...methods: string[]): Route {
  return { pattern, methods: new Set(methods), scopes, allowUntilExpiry: false }
}

/** Asked by one door alone. It ends with the test. */
export async function runOne(
  door: Door,
  clock: FakeClock,
  said: Partial<ForwardAuthSettings> = {},
): Promise<Running> {
  const issuer = await startIssuer(clock, 300)
  const stop = new AbortController()
  const ready = Promise.withResolvers<HostPort | string>()
  const settings: ForwardAuthSettings = {
    issuer: issuer.issuer,
    issuerCa: issuer.ca[0],
    endpoints: endpointsOf(issuer.issuer, { introspection: issuer.url, keys: issuer.url }),
    workloadApi: undefined,
    spiffeId: undefined,
    revocations: false,
    introspect: false,
    logLevel: 'error',
    httpAddress: undefined,
    doors: [door],
    services: new Map([
      [
        'orders',
        {
          resource: orders,
          requireBound: false,
          routes: [
            route('/orders', ['orders:read'], 'GET'),
            route('/orders/*', ['orders:read', 'orders:write'], 'DELETE', 'PUT'),
          ],
        },
      ],
    ]),
    ...said,
  }
  const warned: unknown[] = []
  const log: Log = { ...silentLog, warn: (_, fields) => void warned.push(fields) }
  const ended = runForwardAuth(settings, stop.signal, { clock, log, onReady: ready.resolve })
  ended.catch(ready.reject)
  onTestFinished(async () => {
    stop.abort()
    await ended
  })
  return { issuer, at: await ready.promise, ended, warned, stop: () => stop.abort() }
}

export function socketPath(): string {
  const folder = mkdtempSync(join(tmpdir(), 'cs-fa-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return join(folder, 'api.sock')
}

export type Headers = Readonly<Record<string, string | readonly string[] | undefined>>

/** As a proxy asks over a socket. */
export async function askSocket(
  path: string,
  target: string,
  headers: Headers,
  method = 'GET',
  body?: string,
): Promise<Answer> {
  const sent = request({ socketPath: path, path: target, method, agent: false })
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined) sent.setHeader(name, value)
  }
  sent.end(body)
  return answerOf(
    await new Promise<IncomingMessage>((resolve, reject) => {
      sent.once('response', resolve)
      sent.once('error', reject)
    }),
  )
}

export async function answerOf(response: IncomingMessage): Promise<Answer> {
  const body = await text(response)
  return {
    status: response.statusCode ?? 0,
    headers: response.headers,
    reason: body === '' ? undefined : (JSON.parse(body) as { reason: string }).reason,
  }
}
