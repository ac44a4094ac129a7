import type { Server, Socket } from 'node:net'

/**
 * Of more connections than this the oldest gives way: those who say nothing, or take no answer, do not shut out whoever
 * comes after them. The result ends all of them, those too that are in the midst of a handshake.
 */
export function keepNewest(server: Server, most: number): () => void {
  const open = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    open.add(socket)
    socket.once('close', () => open.delete(socket))
    const [oldest] = open
    if (open.size <= most || oldest === undefined) return
    open.delete(oldest)
    oldest.destroy()
  })
  return () => {
    for (const socket of open) socket.destroy()
  }
}
