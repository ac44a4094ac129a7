import { type IncomingMessage, STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import { authorizationsOf, refusalOrFault } from '../middleware/node.ts'
import { accessCheck, type RequireAccessTokenOptions } from './access-check.ts'
import { setAccess } from './access-of.ts'
import { certificateOf } from './certificate.ts'
import { cutOffWith } from './cut-off.ts'

/** What stands before an upgrade: `next` is called for a request that is let in. */
export type UpgradeGuard = (
  request: IncomingMessage,
  socket: Duplex,
  next: () => void,
) => Promise<void>

/**
 * For `upgrade` of a server of `node:http`, to WebSocket or anything else, where no middleware runs: what
 * `requireAccessToken` is for requests. Whoever is not let in is answered before the upgrade; the socket of one who is gets
 * destroyed when the token is good no more, as `whileGood` says. Throws `invalid`: `scope-unsound`, `resource-metadata`.
 */
export function requireAccessTokenToUpgrade(options: RequireAccessTokenOptions): UpgradeGuard {
  const { check, wanted } = accessCheck(options)
  return async (request, socket, next) => {
    // Node listens no more on what it hands over, and an error that nobody hears ends the process.
    socket.on('error', () => {})
    try {
      const access = await check(authorizationsOf(request), certificateOf(request.socket))
      setAccess(request, access)
      cutOffWith(access, socket)
    } catch (error) {
      refuse(socket, refusalOrFault(error, wanted))
      return
    }
    if (!socket.destroyed) next()
  }
}

function refuse(
  socket: Duplex,
  { status, headers, body }: ReturnType<typeof refusalOrFault>,
): void {
  const all = { ...headers, connection: 'close', 'content-length': Buffer.byteLength(body) }
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`)
  // A client that does not close its half is not waited for.
  socket.once('finish', () => socket.destroy())
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${lines.join('')}\r\n${body}`)
}
