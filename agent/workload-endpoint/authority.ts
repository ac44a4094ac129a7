import type { Socket } from 'node:net'
import { pipeline, Transform } from 'node:stream'
import { socketPair } from '../../src/rpc/socket-pair.ts'
import { authorityValues, mendAuthority } from './hpack-strings.ts'
import { frameHeaderBytes, preface } from './preface.ts'

const headersType = 1
const continuationType = 9
const endHeaders = 0x4
const padded = 0x8
const priority = 0x20
/** Node accepts no larger frames, nor (by its default) larger header lists. */
const maxFrameBytes = 16_384
const maxBlockBytes = 65_536
const maxListeners = 32

/** What such a connection costs beside its own descriptor. */
export const mendingDescriptors = 2

/**
 * grpc-java sends the path of a Unix socket as `:authority`, and Node's HTTP/2 resets every such
 * request before anyone sees it. For the connections of such clients this stands between socket and
 * session and makes the value acceptable, in place and in its length: `/run/a.sock` becomes
 * `-run-a.sock`. Nobody reads the value afterwards. Returns what the session is to be served on.
 */
export function mendingAuthority(outer: Socket): Socket {
  const [near, inner] = socketPair()
  const mender = new HeaderMender()
  const mending = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      try {
        for (const part of mender.push(chunk)) this.push(part)
        done()
      } catch (error) {
        done(error as Error)
      }
    },
  })
  const end = (): void => {
    outer.destroy()
    near.destroy()
    mending.destroy()
  }
  // Two pipelines, the session and who accepted it all listen for its end.
  outer.setMaxListeners(maxListeners)
  inner.on('error', () => {})
  inner.once('close', () => near.destroySoon())
  pipeline(outer, mending, near, end)
  pipeline(near, outer, end)
  outer.once('close', end)
  return inner
}

/** Cuts a client's bytes into frames and mends the header blocks; all else passes as it comes. */
export class HeaderMender {
  #pending: Buffer = Buffer.alloc(0)
  #passing = preface.length
  #block: { readonly frames: Buffer[]; readonly fragments: Buffer[]; bytes: number } | undefined

  /** What may go on now. Throws where a header block has no end. */
  push(chunk: Buffer): Buffer[] {
    const ready: Buffer[] = []
    let bytes = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk])
    while (bytes.length > 0) {
      if (this.#passing > 0) {
        const part = bytes.subarray(0, this.#passing)
        ready.push(part)
        this.#passing -= part.length
        bytes = bytes.subarray(part.length)
        continue
      }
      if (bytes.length < frameHeaderBytes) break
      const length = frameHeaderBytes + bytes.readUIntBE(0, 3)
      const type = bytes[3]
      if (type !== headersType && type !== continuationType) {
        this.#passing = length
        continue
      }
      if (length > maxFrameBytes + frameHeaderBytes) throw new Error('a frame is too large')
      if (bytes.length < length) break
      this.#takeFrame(bytes.subarray(0, length), ready)
      bytes = bytes.subarray(length)
    }
    this.#pending = bytes
    return ready
  }

  #takeFrame(frame: Buffer, ready: Buffer[]): void {
    this.#block ??= { frames: [], fragments: [], bytes: 0 }
    const block = this.#block
    block.frames.push(frame)
    block.fragments.push(fragmentOf(frame))
    block.bytes += frame.length
    if (block.bytes > maxBlockBytes) throw new Error('a header block is too large')
    if (((frame[4] ?? 0) & endHeaders) === 0) return
    this.#block = undefined
    mendBlock(block.fragments)
    ready.push(...block.frames)
  }
}

/** RFC 9113 §6.2: without padding and priority. A view, so that what is written there stays. */
function fragmentOf(frame: Buffer): Buffer {
  if (frame[3] === continuationType) return frame.subarray(frameHeaderBytes)
  const flags = frame[4] ?? 0
  let start = frameHeaderBytes
  let end = frame.length
  if ((flags & padded) !== 0) {
    end -= frame[start] ?? 0
    start += 1
  }
  if ((flags & priority) !== 0) start += 5
  return frame.subarray(start, Math.max(start, end))
}

function mendBlock(fragments: readonly Buffer[]): void {
  const only = fragments[0]
  const joined = fragments.length === 1 && only !== undefined ? only : Buffer.concat(fragments)
  let mended = false
  for (const value of authorityValues(joined)) mended = mendAuthority(joined, value) || mended
  if (!mended || fragments.length === 1) return
  let at = 0
  for (const fragment of fragments) at += joined.copy(fragment, 0, at, at + fragment.length)
}
