import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

type Take = (request: IncomingMessage, response: ServerResponse) => void

/** Of one connection, requests that wait for the answer to the one before. */
const maxWaiting = 16

/**
 * Has the requests of a connection taken one after the other, each once the answer to the one before has left. Node hands
 * on at once all that came at once, some hundred a read, whether or not anybody takes the answers. Who has more of them wait
 * is hung up on; behind an answer that ends the connection nothing is taken (RFC 9112 §9.6).
 */
export function inTurn(take: Take): Take {
  const latest = new WeakMap<Socket, ServerResponse>()
  const waiting = new WeakMap<Socket, number>()
  return (request, response) => {
    const { socket } = request
    const before = latest.get(socket)
    latest.set(socket, response)
    if (before === undefined || before.closed) {
      take(request, response)
      return
    }
    const others = waiting.get(socket) ?? 0
    if (others >= maxWaiting) {
      hangUp(socket)
      return
    }
    waiting.set(socket, others + 1)
    before.once('close', () => {
      waiting.set(socket, (waiting.get(socket) ?? 1) - 1)
      if (socket.writable) take(request, response)
      else response.destroy()
    })
  }
}

/** What else has come with the same read is not parsed: requests take much room, which is free only once the loop has gone round. */
function hangUp(socket: Socket & { readonly parser?: { onIncoming?: unknown } | null }): void {
  // To Node's parser two means that what follows is no HTTP.
  if (socket.parser) socket.parser.onIncoming = () => 2
  socket.destroy()
}
