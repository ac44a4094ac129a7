import type { Socket } from 'node:net'
import type { Deadlines } from '../../src/rpc/deadlines.ts'
import { peek } from '../../src/rpc/socket-descriptor.ts'

/** RFC 9113 §3.4 */
export const preface: Buffer = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1')
export const frameHeaderBytes = 9

const settingsType = 4
const settingBytes = 6
const maxSettingsBytes = 1024
const maxConcurrentStreams = 3
/** A setting of gRPC's C core (Python, C++, Ruby …), which names no path as its authority. */
const trueBinaryMetadata = 0xfe03

/**
 * `native`, or `rewrite` where the client may send its socket's path as `:authority`, which Node's
 * HTTP/2 refuses (see `authority.ts`).
 *
 * Clients built on Netty (grpc-java) announce MAX_CONCURRENT_STREAMS although they take no streams;
 * those of Node, Go, Rust and C core do not, or show that they are C core. To be taken for the wrong
 * kind costs a connection some speed, or an error that it would have met anyway, never more.
 */
export type ClientKind = 'native' | 'rewrite'

/** What a client is, where its preface and first frame have come in already; nothing of it is read. */
export function peekPreface(socket: Socket): ClientKind | undefined {
  const kind = kindOf(peek(socket))
  return kind === 'native' || kind === 'rewrite' ? kind : undefined
}

/**
 * Waits for a client's preface and its first frame, puts all of it back, and says what it is.
 * undefined where it closed, sent something else or took too long; then the socket is destroyed.
 */
export function readPreface(
  socket: Socket,
  deadlines: Deadlines,
  timeoutMs: number,
): Promise<ClientKind | undefined> {
  return new Promise((resolve) => {
    let read: Buffer | undefined
    const finish = (kind: ClientKind | undefined): void => {
      deadlines.clear(socket)
      socket.off('readable', onReadable)
      socket.off('close', onClose)
      socket.off('end', onClose)
      if (kind === undefined || socket.destroyed) socket.destroy()
      else if (read !== undefined) socket.unshift(read)
      resolve(socket.destroyed ? undefined : kind)
    }
    const onClose = (): void => finish(undefined)
    const onReadable = (): void => {
      const chunk: Buffer | null = socket.read()
      if (chunk === null) {
        if (socket.readableEnded) finish(undefined)
        return
      }
      read = read === undefined ? chunk : Buffer.concat([read, chunk])
      const kind = kindOf(read)
      if (kind === 'refuse') finish(undefined)
      else if (kind !== 'more') finish(kind)
    }
    deadlines.set(socket, timeoutMs, () => finish(undefined))
    socket.on('readable', onReadable)
    socket.on('close', onClose)
    socket.on('end', onClose)
  })
}

function kindOf(bytes: Buffer): ClientKind | 'more' | 'refuse' {
  const length = Math.min(bytes.length, preface.length)
  if (preface.compare(bytes, 0, length, 0, length) !== 0) return 'refuse'
  if (bytes.length < preface.length + frameHeaderBytes) return 'more'
  const payloadLength = bytes.readUIntBE(preface.length, 3)
  if (bytes[preface.length + 3] !== settingsType || payloadLength > maxSettingsBytes) {
    return 'refuse'
  }
  const start = preface.length + frameHeaderBytes
  if (bytes.length < start + payloadLength) return 'more'
  const ids = new Set<number>()
  for (let at = start; at + settingBytes <= start + payloadLength; at += settingBytes) {
    ids.add(bytes.readUInt16BE(at))
  }
  return ids.has(maxConcurrentStreams) && !ids.has(trueBinaryMetadata) ? 'rewrite' : 'native'
}
