import type { Socket } from 'node:net'

/** OpenSSL takes up to fifty times as much for what a certificate says, as long as its connection is open. */
const maxBytes = 1 << 20

/**
 * Connections that have shown certificates for which nobody vouches: they may stay, since they may have come too early,
 * and the oldest give way once all of them have shown more than 1 MiB.
 */
export function createUnproven(): { add(socket: Socket, chain: readonly Buffer[]): void } {
  const shown = new Map<Socket, number>()
  let bytes = 0
  const leave = (socket: Socket): void => {
    bytes -= shown.get(socket) ?? 0
    shown.delete(socket)
  }
  return {
    add(socket, chain) {
      const size = chain.reduce((sum, { length }) => sum + length, 0)
      shown.set(socket, size)
      bytes += size
      socket.once('close', () => leave(socket))
      for (const oldest of shown.keys()) {
        if (bytes <= maxBytes) return
        leave(oldest)
        oldest.destroy()
      }
    },
  }
}
