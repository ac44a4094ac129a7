import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { request as httpsRequest } from 'node:https'
import type { SecureContextOptions } from 'node:tls'
import { CountersignError } from '../errors.ts'
import type { OpenFeed } from './feed-client.ts'

export interface FeedLocation {
  /** `https:`; `ISSUER/oauth/feed` of a Countersign server. */
  readonly url: string
  /** A JWT-SVID whose only audience is the issuer, drawn for each connection … */
  readonly jwtSvid?: () => Promise<string>
  /** … or this SPIFFE ID, and its X.509-SVID in `tls`. */
  readonly clientId?: string
  /** Whom to trust where that is not the Web PKI, and what to show; asked at each connection. */
  readonly tls?: () => SecureContextOptions
}

/**
 * Reads the feed over HTTPS, each time on a connection of its own. Throws `invalid` `feed-url`; opening rejects with
 * `unavailable` `feed-refused` or `feed-unreachable`.
 */
export function feedAt(location: FeedLocation): OpenFeed {
  if (!URL.canParse(location.url) || new URL(location.url).protocol !== 'https:') {
    throw new CountersignError('invalid', 'a revocation feed is at an https URL', {
      reason: 'feed-url',
      fix: 'name the issuer’s, such as https://as.example.org/oauth/feed',
    })
  }
  return async ({ nonce, lastEventId, sent }, signal) => {
    const url = new URL(location.url)
    url.searchParams.set('nonce', nonce)
    if (location.clientId !== undefined) url.searchParams.set('client_id', location.clientId)
    const token = await location.jwtSvid?.()
    const request = httpsRequest(url, {
      ...location.tls?.(),
      // No session of before is resumed: its certificate may have ended.
      agent: false,
      signal,
      headers: {
        accept: 'text/event-stream',
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
        ...(lastEventId !== undefined && { 'last-event-id': lastEventId }),
      },
    })
    request.on('socket', (socket) => socket.once('secureConnect', sent))
    request.end()
    const [response] = (await once(request, 'response').catch((cause: unknown) => {
      throw new CountersignError('unavailable', 'the revocation feed cannot be reached', {
        reason: 'feed-unreachable',
        cause,
      })
    })) as [IncomingMessage]
    if (response.statusCode !== 200) {
      response.destroy()
      throw new CountersignError(
        'unavailable',
        `the revocation feed answers with status ${response.statusCode}`,
        { reason: 'feed-refused', fix: 'let `served_by` of a resource name this service' },
      )
    }
    return response
  }
}
