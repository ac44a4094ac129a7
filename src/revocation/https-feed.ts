import type { ClientRequest, IncomingMessage } from 'node:http'
import { request as httpsRequest, type RequestOptions } from 'node:https'
import { isIP, type LookupFunction } from 'node:net'
import type { SecureContextOptions } from 'node:tls'
import { CountersignError } from '../errors.ts'
import { answerTo } from '../runtime/answer-to.ts'
import type { FeedOptions } from './feed-client.ts'

export interface FeedLocation {
  /** `https:`; `ISSUER/oauth/feed` of a Countersign server. */
  readonly url: string
  /** A JWT-SVID whose only audience is the issuer, drawn for each connection … */
  readonly jwtSvid?: () => Promise<string>
  /** … or this SPIFFE ID, and its X.509-SVID in `tls`. */
  readonly clientId?: string | (() => string)
  /** Whom to trust where that is not the Web PKI, and what to show; asked at each connection. */
  readonly tls?: () => SecureContextOptions
}

/** Below the feed’s own URL. */
const acknowledgePath = '/acknowledge'

/**
 * Reads the feed over HTTPS, each time on a connection of its own, and acknowledges to the very address that it reads
 * from. Throws `invalid` `feed-url`; opening rejects with `unavailable` `feed-refused` or `feed-unreachable`, reading
 * with `feed-broken`.
 */
export function feedAt(location: FeedLocation): Pick<FeedOptions, 'open' | 'acknowledge'> {
  if (!URL.canParse(location.url) || new URL(location.url).protocol !== 'https:') {
    throw new CountersignError('invalid', 'a revocation feed is at an https URL', {
      reason: 'feed-url',
      fix: 'name the issuer’s, such as https://as.example.org/oauth/feed',
    })
  }
  let address: string | undefined
  return {
    async open({ nonce, lastEventId, sent }, signal) {
      const request = await requestTo(location, '', { nonce }, signal)
      request.setHeader('accept', 'text/event-stream')
      if (lastEventId !== undefined) request.setHeader('last-event-id', lastEventId)
      request.on('socket', (socket) => {
        socket.once('secureConnect', () => {
          address = socket.remoteAddress
          sent()
        })
      })
      const response = await openedBy(request)
      if (response.statusCode === 200) return piecesOf(response)
      response.destroy()
      throw refused(response, idOf(location))
    },
    async acknowledge({ nonce, head, delayMs }, signal) {
      const to = address
      const query = { nonce, head, delay: String(Math.round(delayMs)) }
      const request = await requestTo(location, acknowledgePath, query, signal, {
        method: 'POST',
        ...(to !== undefined && { lookup: lookupOf(to) }),
      })
      const response = await openedBy(request)
      response.resume()
      if (response.statusCode !== 204) throw refused(response, idOf(location))
    },
  }
}

function idOf({ clientId }: FeedLocation): string | undefined {
  return typeof clientId === 'function' ? clientId() : clientId
}

async function requestTo(
  location: FeedLocation,
  below: string,
  query: Readonly<Record<string, string>>,
  signal: AbortSignal,
  options: RequestOptions = {},
): Promise<ClientRequest> {
  const { jwtSvid, tls } = location
  const url = new URL(location.url)
  url.pathname += below
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value)
  const id = idOf(location)
  if (id !== undefined) url.searchParams.set('client_id', id)
  const token = await jwtSvid?.()
  // No session of before is resumed: its certificate may have ended.
  // Whatever the environment says of TLS: it is the issuer that is asked.
  const checked = { ...tls?.(), ...options, rejectUnauthorized: true }
  const request = httpsRequest(url, { ...checked, agent: false, signal })
  if (token !== undefined) request.setHeader('authorization', `Bearer ${token}`)
  return request
}

/** Another server of the issuer’s knows nothing of the connection: the name is not looked up anew. */
function lookupOf(address: string): LookupFunction {
  const family = isIP(address)
  return (_host, { all }, callback) => {
    if (all === true) callback(null, [{ address, family }])
    else callback(null, address, family)
  }
}

async function openedBy(request: ClientRequest): Promise<IncomingMessage> {
  request.end()
  try {
    return await answerTo(request)
  } catch (cause) {
    throw new CountersignError('unavailable', 'the revocation feed cannot be reached', {
      reason: 'feed-unreachable',
      cause,
    })
  }
}

/** A server that is killed, or a network that is gone, ends it as well. */
async function* piecesOf(response: IncomingMessage): AsyncGenerator<Uint8Array> {
  try {
    yield* response
  } catch (cause) {
    throw new CountersignError('unavailable', 'the connection to the revocation feed broke', {
      reason: 'feed-broken',
      cause,
    })
  }
}

function refused({ statusCode }: IncomingMessage, id = 'this service'): CountersignError {
  return new CountersignError(
    'unavailable',
    `the revocation feed answers with status ${statusCode}`,
    { reason: 'feed-refused', fix: fixOf(statusCode, id) },
  )
}

function fixOf(statusCode: number | undefined, id: string): string {
  if (statusCode === 401) return `the audit trail of the issuer says why it does not believe ${id}`
  if (statusCode === 403) return `let \`served_by\` of a resource name ${id}`
  return 'see whether there is such a feed, and what the log of the issuer says'
}
