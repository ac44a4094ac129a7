import type { IncomingMessage, ServerResponse } from 'node:http'
import { bearerOf } from '../middleware/bearer.ts'
import { authorizationsOf } from '../middleware/node.ts'
import { peerOf } from '../mtls/peer.ts'
import { selfTestPath } from '../revocation/canary.ts'
import type { SpiffeId } from '../spiffe-id/spiffe-id.ts'
import { certificateOf } from './certificate.ts'
import { canaryReaderOf, type Verifier } from './verifier.ts'

/** By what a service judges tokens, and who may try it. */
export interface SelfTestOptions {
  /** The very one that is in front of the routes. */
  readonly verifier: Verifier
  /** The ID of the issuer's server, `spiffe://TRUST-DOMAIN/spire/server`: nobody else is answered. */
  readonly server: SpiffeId
}

/**
 * Answers the issuer's server, and nobody else, whether this service would take a canary that is shown in
 * `authorization: Bearer`: `1` or `0`, and no word why. It hears nothing of other tokens: they are all `0`. To be asked by
 * POST at `path`, on a server of `countersign/http`, whose `authorize` lets that ID in. Throws `invalid`, `verifier-unknown`.
 */
export function selfTest({ verifier, server }: SelfTestOptions): {
  readonly path: string
  readonly answer: (request: IncomingMessage, response: ServerResponse) => Promise<void>
} {
  const read = canaryReaderOf(verifier)
  const takes = async (request: IncomingMessage): Promise<boolean> => {
    try {
      const token = bearerOf(authorizationsOf(request), 'an access token')
      await read(token, { certificate: certificateOf(request.socket) })
      return true
    } catch {
      return false
    }
  }
  const statusOf = (request: IncomingMessage): number => {
    if (!isFrom(server, request)) return 403
    return request.method === 'POST' ? 200 : 405
  }
  return {
    path: selfTestPath,
    async answer(request, response) {
      const status = statusOf(request)
      const body = status !== 200 ? '' : (await takes(request)) ? '1' : '0'
      response.writeHead(status, { 'content-type': 'text/plain', 'cache-control': 'no-store' })
      response.end(body)
    },
  }
}

function isFrom(server: SpiffeId, request: IncomingMessage): boolean {
  try {
    return peerOf(request).spiffeId === server
  } catch {
    return false
  }
}
