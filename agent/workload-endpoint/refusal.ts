import type { Socket } from 'node:net'
import type { CountersignError } from '../../src/errors.ts'
import type { Deadlines } from '../../src/rpc/deadlines.ts'
import { toStatus } from '../../src/rpc/status.ts'
import { frameHeaderBytes, preface } from './preface.ts'

const type = { headers: 1, settings: 4 } as const
const flag = { ack: 0x1, endStream: 0x1, endHeaders: 0x4 } as const
const maxPendingBytes = 65_536

/**
 * Connections that there is no room for, each open until it was told so or its time is over. One that has
 * been told gives way to the next, then the one that has waited longest.
 */
export class Refusals {
  readonly #waiting = new Set<Socket>()
  readonly #told = new Set<Socket>()
  readonly #error: CountersignError
  readonly #deadlines: Deadlines
  readonly #timeoutMs: number

  constructor(error: CountersignError, deadlines: Deadlines, timeoutMs: number) {
    this.#error = error
    this.#deadlines = deadlines
    this.#timeoutMs = timeoutMs
  }

  add(socket: Socket): void {
    this.#waiting.add(socket)
    this.#deadlines.set(socket, this.#timeoutMs, () => socket.destroy())
    socket.once('close', () => {
      this.#deadlines.clear(socket)
      this.#waiting.delete(socket)
      this.#told.delete(socket)
    })
    answerCalls(socket, this.#error, () => {
      if (this.#waiting.delete(socket)) this.#told.add(socket)
    })
  }

  /** Closes so many that no more than `most` are open. */
  keep(most: number): void {
    while (this.#told.size + this.#waiting.size > Math.max(0, most)) {
      const [told] = this.#told
      const [waiting] = this.#waiting
      if (told !== undefined) {
        this.#told.delete(told)
        // Who does not read what it is told would stay open, and be counted no more.
        if (told.writableLength > 0) told.destroy()
        else told.destroySoon()
      } else if (waiting !== undefined) {
        this.#waiting.delete(waiting)
        waiting.destroy()
      }
    }
  }
}

/**
 * Answers every call on a connection. Without a session: the answer is the same bytes for each stream,
 * so that a refusal costs next to nothing.
 */
function answerCalls(socket: Socket, error: CountersignError, onTold: () => void): void {
  const response = responseHeaders(error)
  let passing = preface.length
  let pending: Buffer = Buffer.alloc(0)
  socket.write(frame(type.settings, 0, 0, Buffer.alloc(0)))
  socket.on('data', (chunk: Buffer) => {
    let bytes = pending.length === 0 ? chunk : Buffer.concat([pending, chunk])
    for (;;) {
      const skipped = Math.min(passing, bytes.length)
      passing -= skipped
      bytes = bytes.subarray(skipped)
      if (passing > 0 || bytes.length < frameHeaderBytes) break
      const streamId = bytes.readUInt32BE(5) & 0x7fffffff
      if (bytes[3] === type.settings && ((bytes[4] ?? 0) & flag.ack) === 0) {
        socket.write(frame(type.settings, flag.ack, 0, Buffer.alloc(0)))
      } else if (bytes[3] === type.headers) {
        socket.write(frame(type.headers, flag.endStream | flag.endHeaders, streamId, response))
        onTold()
      }
      passing = frameHeaderBytes + bytes.readUIntBE(0, 3)
    }
    pending = bytes
    // A client that does not read what it is told is not worth waiting for.
    if (pending.length + socket.writableLength > maxPendingBytes) socket.destroy()
  })
}

function frame(frameType: number, flags: number, streamId: number, payload: Buffer): Buffer {
  const header = Buffer.alloc(frameHeaderBytes)
  header.writeUIntBE(payload.length, 0, 3)
  header[3] = frameType
  header[4] = flags
  header.writeUInt32BE(streamId, 5)
  return Buffer.concat([header, payload])
}

/** RFC 7541 §6: indexed `:status: 200`, then literals that no table keeps. */
function responseHeaders(error: CountersignError): Buffer {
  const { code, details, metadata } = toStatus(error)
  const parts = [
    Buffer.from([0x88]),
    literal('content-type', 'application/grpc'),
    literal('grpc-status', String(code)),
    literal('grpc-message', encodeURIComponent(details)),
  ]
  for (const [name, value] of Object.entries(metadata.getMap())) {
    if (Buffer.isBuffer(value)) parts.push(literal(name, value.toString('base64')))
  }
  return Buffer.concat(parts)
}

function literal(name: string, value: string): Buffer {
  return Buffer.concat([Buffer.from([0x00]), text(name), text(value)])
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value, 'latin1')
  if (bytes.length < 0x7f) return Buffer.concat([Buffer.from([bytes.length]), bytes])
  const octets = [0x7f]
  let rest = bytes.length - 0x7f
  for (; rest >= 0x80; rest >>= 7) octets.push((rest & 0x7f) | 0x80)
  octets.push(rest)
  return Buffer.concat([Buffer.from(octets), bytes])
}
