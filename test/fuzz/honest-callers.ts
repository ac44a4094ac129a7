import { type IncomingMessage, type RequestOptions, request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'
import { text } from 'node:stream/consumers'
import { toPem } from '../../src/x509/pem.ts'
import type { DoorsAddress } from './doors-process.ts'

const host = '127.0.0.1'
const HONEST_MS = 30_000
/** Whoever has waited for so long may have been cut by a limit of the server's, on a machine that stood still: he asks again. */
const PAUSE_MS = 500
const TRIES = 3
const wish =
  'grant_type=client_credentials&resource=https%3A%2F%2Forders.example.org&scope=orders%3Aread&client_id=spiffe%3A%2F%2Fexample.org%2Fweb'

/** What a proxy asks forward-auth. */
export function questionOf({ ordersToken }: DoorsAddress): readonly string[] {
  return [
    'countersign-method: GET',
    'countersign-uri: /orders',
    `authorization: Bearer ${ordersToken}`,
  ]
}

/** The workload's SVID, for node:tls. */
export function shownOf({ web: { chain, privateKey } }: DoorsAddress): {
  cert: string
  key: string
} {
  const pems = chain.map((der) => toPem('CERTIFICATE', Buffer.from(der, 'base64')))
  return { cert: pems.join(''), key: toPem('PRIVATE KEY', Buffer.from(privateKey, 'base64')) }
}

export interface HonestCallers {
  /** At each door. Rejects where one is not served. */
  all(): Promise<unknown>
  /** Asks whether the process lives: it has had its turn then for what was sent before. */
  alive(): Promise<void>
}

export function honestCallers(at: DoorsAddress): HonestCallers {
  const tls = { host, rejectUnauthorized: false }
  const form = { 'content-type': 'application/x-www-form-urlencoded' }
  const post = { method: 'POST', path: '/oauth/token', headers: form }
  const question = questionOf(at).map((line) => line.split(': ') as [string, string])
  const key = { host: at.brokerHost, authorization: `Bearer ${at.honestToken}` }
  const configuration = '/.well-known/openid-configuration'
  const alive = () => served(requestHttp, { host, port: at.monitoring, path: '/live' })
  const calls: readonly (() => Promise<void>)[] = [
    () => served(requestHttps, { ...tls, ...shownOf(at), port: at.token, ...post }, wish),
    () =>
      served(requestHttps, { ...tls, port: at.broker, path: '/acme/v2/contacts', headers: key }),
    () =>
      served(requestHttp, {
        ...{ socketPath: at.forwardAuth, path: '/orders' },
        headers: Object.fromEntries(question),
      }),
    () =>
      served(requestHttp, {
        ...{ host, port: at.discovery, path: configuration },
        headers: { host: 'oidc.example.org' },
      }),
    alive,
  ]
  return { all: () => Promise.all(calls.map((call) => call())), alive }
}

async function served(send: typeof requestHttp, options: RequestOptions, body = ''): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    const startMs = performance.now()
    try {
      return await servedOnce(send, options, body)
    } catch (error) {
      if (performance.now() - startMs < PAUSE_MS || tries === TRIES) throw error
    }
  }
}

async function servedOnce(
  send: typeof requestHttp,
  options: RequestOptions,
  body: string,
): Promise<void> {
  const sent = send({ ...options, agent: false, signal: AbortSignal.timeout(HONEST_MS) })
  const answer = new Promise<IncomingMessage>((resolve, reject) => {
    sent.on('response', resolve).on('error', reject)
  })
  sent.end(body)
  const { statusCode } = await answer
  const said = await text(await answer)
  if (statusCode !== 200) throw new Error(`honest: ${options.path} answered ${statusCode} ${said}`)
}
