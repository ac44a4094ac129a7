import {
  type ClientRequest,
  request as httpRequest,
  type IncomingMessage,
  type ServerResponse,
} from 'node:http'
import { Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { CountersignError } from '../../../src/errors.ts'
import type { VendorKey } from '../keys/vendor-key.ts'
import type { Integration } from '../settings.ts'
import type { BodyFraming } from './request-headers.ts'
import { checkVendorHead, headersForCaller, type VendorHead } from './response-headers.ts'
import { scrubbing } from './scrubber.ts'
import type { VendorAgent, VendorRequestOptions } from './vendor-agent.ts'

/** A call as the vendor gets it. */
export interface Outgoing {
  /** Who calls: nobody else gets an answer of the same connection. */
  readonly caller: string
  readonly upstream: URL
  readonly method: string
  readonly path: string
  /** Without the key, as `headers` are. */
  readonly query: string
  readonly headers: ReadonlyMap<string, string>
  readonly framing: BodyFraming
}

/** With what it is sent. */
export interface Exchange {
  readonly agent: VendorAgent
  readonly integration: Pick<Integration, 'limits'>
  readonly keys: ExchangeKeys
  /** Something came or went. */
  readonly moved: () => void
  readonly signal: AbortSignal
}

/** The keys of an integration as they are by then: another may come while a call is under way. */
export interface ExchangeKeys {
  /** Those that the call may be sent with, the one that is in use first. */
  usable(): readonly [VendorKey, ...VendorKey[]]
  /** How an answer may repeat any. */
  forms(): readonly Buffer[]
  /** The vendor has refused the first that was tried, and this one is tried. */
  fellBack(key: VendorKey): void
}

export interface Answered {
  readonly status: number
  /** Times that the key was taken out of the body. */
  readonly scrubbed: number
}

const maxVendorHeadBytes = 32_768
const unauthenticated = 401
const nothing = Buffer.alloc(0)
const repeatable: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS'])

/**
 * Sends the call, its body as it comes, and hands the answer on as it comes, without the key. Redirects are answers
 * like others. Rejects with what the signal was aborted with, `invalid` `body-too-large`, `unavailable` `vendor-…`;
 * once the answer has begun the caller's connection is cut then, so that no part of it passes for the whole.
 */
export async function forward(
  outgoing: Outgoing,
  exchange: Exchange,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<Answered> {
  const { moved } = exchange
  const { limits } = exchange.integration
  const answer = await askWithKeys(outgoing, exchange, request)
  try {
    moved()
    const head = headOf(answer)
    const forms = exchange.keys.forms()
    checkVendorHead(head, outgoing.method, limits.responseBytes)
    response.writeHead(head.statusCode, [...headersForCaller(head, forms), ...lengthOf(answer)])
    // The head leaves before the body, and byte by byte: `flushHeaders` makes UTF-8 of its Latin-1 once more.
    response.write(nothing)
    let scrubbed = 0
    const heard = (found: number): void => {
      scrubbed = found
    }
    await pipeline(
      answer,
      counting(limits.responseBytes, moved, vendorTooLarge),
      scrubbing(exchange.keys.forms, heard),
      response,
      { signal: exchange.signal },
    )
    // Of a body that nobody waits for any more no further byte is taken.
    if (!request.complete) request.socket.destroySoon()
    return { status: head.statusCode, scrubbed }
  } catch (error) {
    answer.destroy()
    throw failureOf(error, exchange.signal)
  }
}

/**
 * The vendor's answer. While a key takes the place of another, its vendor may know one of the two alone: what it does not
 * know it has not acted upon, so that a call without a body is sent once more.
 */
async function askWithKeys(
  outgoing: Outgoing,
  exchange: Exchange,
  request: IncomingMessage,
): Promise<IncomingMessage> {
  const { keys } = exchange
  const [key] = keys.usable()
  const answer = await ask(withKey(outgoing, key), exchange, request)
  if (answer.statusCode !== unauthenticated || outgoing.framing.kind !== 'none') return answer
  const other = keys.usable().find(({ secret }) => !secret.equals(key.secret))
  if (other === undefined) return answer
  answer.destroy()
  keys.fellBack(other)
  return ask(withKey(outgoing, other), exchange, request)
}

function withKey(outgoing: Outgoing, key: VendorKey): Outgoing {
  return { ...outgoing, ...key.inject(outgoing) }
}

/** A connection that the vendor shut while it lay idle is no answer: one more is tried. */
async function ask(
  outgoing: Outgoing,
  exchange: Exchange,
  request: IncomingMessage,
): Promise<IncomingMessage> {
  const { framing, method } = outgoing
  for (let again = false; ; again = true) {
    const sent = begin(outgoing, exchange)
    try {
      return await answerTo(sent, outgoing, exchange, request)
    } catch (error) {
      sent.destroy()
      const failure = failureOf(error, exchange.signal)
      const worn = sent.reusedSocket && failure.reason === 'vendor-broken'
      if (again || !worn || framing.kind !== 'none' || !repeatable.has(method)) throw failure
    }
  }
}

function begin(outgoing: Outgoing, { agent, signal }: Exchange): ClientRequest {
  const { caller, upstream, method, path, query, headers, framing } = outgoing
  const options: VendorRequestOptions = {
    agent,
    caller,
    method,
    path: `${path}${query}`,
    headers: {
      host: upstream.host,
      ...Object.fromEntries(headers),
      'accept-encoding': 'identity',
      ...(framing.kind === 'length' && { 'content-length': String(framing.bytes) }),
      ...(framing.kind === 'chunked' && { 'transfer-encoding': 'chunked' }),
    },
    maxHeaderSize: maxVendorHeadBytes,
    signal,
  }
  const sent = httpRequest(options)
  // Bounded by the size of the head: what goes beyond a count would not be seen.
  sent.maxHeadersCount = 0
  return sent
}

function answerTo(
  sent: ClientRequest,
  { framing }: Outgoing,
  { integration, moved }: Exchange,
  request: IncomingMessage,
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    // Heard for as long as the request lives: what comes after the answer has begun is heard there.
    sent.on('error', reject)
    sent.once('response', resolve)
    sent.once('upgrade', (_, socket) => {
      socket.destroy()
      reject(broken())
    })
    if (framing.kind === 'none') sent.end()
    else {
      pipeline(request, counting(integration.limits.requestBytes, moved, bodyTooLarge), sent).catch(
        reject,
      )
    }
  })
}

function counting(maxBytes: number, moved: () => void, tooLarge: () => Error): Transform {
  let bytes = 0
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      bytes += chunk.length
      moved()
      if (bytes > maxBytes) done(tooLarge())
      else done(null, chunk)
    },
  })
}

function headOf({ statusCode = 0, rawHeaders }: IncomingMessage): VendorHead {
  return { statusCode, rawHeaders }
}

/** Stars are as many as what they stand for. A 204 has no length (RFC 9110 §8.6): a caller may wait for so many bytes. */
function lengthOf({ headers, statusCode }: IncomingMessage): readonly string[] {
  const { 'content-length': length } = headers
  return length === undefined || statusCode === 204 ? [] : ['content-length', length]
}

function failureOf(error: unknown, signal: AbortSignal): CountersignError {
  if (signal.aborted && signal.reason instanceof CountersignError) return signal.reason
  return error instanceof CountersignError ? error : broken()
}

/** Without the cause: the parser of HTTP keeps the bytes that it could not read, and they may hold the key. */
function broken(): CountersignError {
  return new CountersignError('unavailable', 'the vendor’s answer is broken', {
    reason: 'vendor-broken',
  })
}

function vendorTooLarge(): CountersignError {
  return new CountersignError('unavailable', 'the vendor’s answer is too large', {
    reason: 'vendor-too-large',
  })
}

function bodyTooLarge(): CountersignError {
  return new CountersignError('invalid', 'the body is too large', { reason: 'body-too-large' })
}
