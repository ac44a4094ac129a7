import { once } from 'node:events'
import type { Socket } from 'node:net'

/** Sends so many requests in one piece, and tells how many were answered by when all are or the connection has ended. */
export async function pipelined(socket: Socket, request: string, count: number): Promise<number> {
  const over = new AbortController()
  let text = ''
  const answers = (): number => text.split('HTTP/1.1 ').length - 1
  socket.on('error', () => {})
  socket.on('data', (chunk) => {
    text += String(chunk)
    if (answers() === count) over.abort()
  })
  socket.write(request.repeat(count))
  await once(socket, 'close', { signal: over.signal }).catch(() => {})
  socket.destroy()
  return answers()
}
