import type { IncomingMessage } from 'node:http'
import { Agent, request } from 'node:https'
import type { SecureContextOptions } from 'node:tls'
import { CountersignError } from '../errors.ts'
import { contextOptions, type TlsIdentity } from '../mtls/context.ts'
import { answerTo } from '../runtime/answer-to.ts'
import type { Clock } from '../runtime/clock.ts'
import { within } from '../runtime/within.ts'

/** What an authorization server answered. */
export interface IssuerAnswer {
  readonly status: number
  readonly retryAfter: string | undefined
  readonly body: string
}

/** Asks an authorization server. What asks rejects with `unavailable`, `issuer-unavailable`. */
export interface IssuerHttps {
  get(url: string): Promise<IssuerAnswer>
  post(url: string, form: Readonly<Record<string, string>>): Promise<IssuerAnswer>
  close(): void
}

const timeoutMs = 5000
const maxBytes = 256 << 10
const maxConnections = 16

/**
 * The server is believed by the certificates of the web, those of Node or `ca` (PEM), never by a bundle of SPIFFE
 * (draft-ietf-oauth-spiffe-client-auth-02); it is shown `identity` where there is one.
 */
export function issuerHttps(
  identity: TlsIdentity | undefined,
  ca: readonly string[] | undefined,
  clock: Clock,
): IssuerHttps {
  const agent = new Agent({
    ...webContext(identity),
    ...(ca !== undefined && { ca: [...ca] }),
    keepAlive: true,
    maxSockets: maxConnections,
    // It gets proofs and tokens: whatever the environment says of TLS.
    rejectUnauthorized: true,
    // What is resumed does not show its certificate again.
    maxCachedSessions: 0,
  })
  const ask = async (url: string, body?: string): Promise<IssuerAnswer> => {
    const stop = new AbortController()
    const late = (): CountersignError => unavailable('it did not answer in 5 s')
    try {
      return await within(clock, timeoutMs, send(agent, url, body, stop.signal), late)
    } catch (error) {
      throw error instanceof CountersignError ? error : unavailable(error)
    } finally {
      stop.abort()
    }
  }
  return {
    get: (url) => ask(url),
    post: (url, form) => ask(url, new URLSearchParams(form).toString()),
    close: () => agent.destroy(),
  }
}

/** What is shown; whom to believe is left to Node. */
export function webContext(identity: TlsIdentity | undefined): SecureContextOptions {
  const { ca: _none, ...context } = contextOptions(identity, { minVersion: 'TLSv1.2', alpn: [] })
  return context
}

async function send(
  agent: Agent,
  url: string,
  body: string | undefined,
  signal: AbortSignal,
): Promise<IssuerAnswer> {
  const accept = { accept: 'application/json' }
  const form = { 'content-type': 'application/x-www-form-urlencoded' }
  const sent =
    body === undefined
      ? request(url, { agent, headers: accept, signal })
      : request(url, { method: 'POST', agent, headers: { ...accept, ...form }, signal })
  try {
    sent.end(body)
    return await read(await answerTo(sent))
  } catch (error) {
    // The server may have ended a kept connection in the moment that it was taken for this; nothing of it was read.
    const { code } = error as NodeJS.ErrnoException
    if (sent.reusedSocket && code === 'ECONNRESET') return send(agent, url, body, signal)
    throw error
  }
}

async function read(response: IncomingMessage): Promise<IssuerAnswer> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > maxBytes) throw unavailable('its answer is too large')
    chunks.push(chunk)
  }
  return {
    status: response.statusCode ?? 0,
    retryAfter: response.headers['retry-after'],
    body: Buffer.concat(chunks).toString('utf8'),
  }
}

/** `why`: a sentence of ours, or what failed. */
export function unavailable(why: unknown, retryAfterMs?: number): CountersignError {
  const said = typeof why === 'string' ? `: ${why}` : ''
  return new CountersignError('unavailable', `the authorization server cannot be asked${said}`, {
    reason: 'issuer-unavailable',
    fix: 'see what `cause` says; where Node does not know its certificate, name the CA of that, with `ca`',
    ...(said === '' && { cause: why }),
    retryAfterMs,
  })
}
