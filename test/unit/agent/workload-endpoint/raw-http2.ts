import { connect, type Socket } from 'node:net'
import { onTestFinished } from 'vitest'

/** A client that sends bytes as they are. */
export interface RawClient {
  readonly socket: Socket
  /** The frames that have come, oldest first. */
  readonly frames: { type: number; flags: number; streamId: number; payload: Buffer }[]
  readonly closed: () => boolean
}

export function rawClient(path: string): RawClient {
  const frames: RawClient['frames'] = []
  let pending: Buffer = Buffer.alloc(0)
  let closed = false
  const socket = connect(path)
  onTestFinished(() => {
    socket.destroy()
  })
  socket.on('error', () => {})
  socket.on('close', () => {
    closed = true
  })
  socket.on('data', (chunk) => {
    pending = Buffer.concat([pending, chunk])
    for (;;) {
      if (pending.length < 9 || pending.length < 9 + pending.readUIntBE(0, 3)) return
      const length = 9 + pending.readUIntBE(0, 3)
      frames.push({
        type: pending[3] ?? 0,
        flags: pending[4] ?? 0,
        streamId: pending.readUInt32BE(5),
        payload: pending.subarray(9, length),
      })
      pending = pending.subarray(length)
    }
  })
  return { socket, frames, closed: () => closed }
}
