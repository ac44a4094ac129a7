import type { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  authority,
  flag,
  frame,
  headerBlock,
  jwtMethod,
  literal,
  prefaceBytes,
  settings,
} from '../support/http2-frames.ts'

const localhost = authority('localhost')
const headers = headerBlock(jwtMethod, localhost)
const opening = Buffer.concat([prefaceBytes, settings()])
const large = literal('x-large', 'a'.repeat(120))
const zero = Buffer.alloc(4)

/** What is sent at once, and then again and again on the same connection, each so many milliseconds. */
export interface Attack {
  /** The agent's socket, or the server's port; with TLS and without a certificate where that is said. */
  readonly door: 'agent' | 'server' | 'server by TLS'
  readonly connections: number
  readonly first: Buffer
  readonly meanwhile?: { readonly bytes: Buffer; readonly everyMs: number }
  /** After that a connection is given up for a new one. */
  readonly anewAfterMs?: number
}

/** As many calls as a connection may have in a moment, each taken back in the next frame. */
function resets(block: Buffer): Buffer {
  const streamIds = Array.from({ length: 500 }, (_, at) => 1 + 2 * at)
  const calls = streamIds.flatMap((id) => [
    frame(1, flag.endHeaders, id, block),
    frame(3, 0, id, zero),
  ])
  return Buffer.concat([opening, ...calls])
}

export const attacks: Readonly<Record<string, Attack>> = {
  'a message of 64 MB': {
    door: 'agent',
    connections: 4,
    first: Buffer.concat([
      opening,
      frame(1, flag.endHeaders, 1, headers),
      frame(0, 0, 1, Buffer.from([0, 4, 0, 0, 0])),
      ...Array.from({ length: 512 }, () => frame(0, 0, 1, Buffer.alloc(16_384))),
    ]),
  },
  'a header block of 5 MB in CONTINUATION frames': {
    door: 'agent',
    connections: 4,
    first: Buffer.concat([
      opening,
      frame(1, 0, 1, headers),
      ...Array.from({ length: 320 }, () => frame(9, 0, 1, Buffer.concat(Array(125).fill(large)))),
    ]),
  },
  'empty CONTINUATION frames without end': {
    door: 'agent',
    connections: 4,
    first: Buffer.concat([opening, frame(1, 0, 1, headers)]),
    meanwhile: {
      bytes: Buffer.concat(Array(200).fill(frame(9, 0, 1, Buffer.alloc(0)))),
      everyMs: 20,
    },
  },
  'calls that are reset at once': {
    door: 'agent',
    connections: 2,
    anewAfterMs: 250,
    first: resets(headerBlock(jwtMethod, localhost)),
  },
  'calls of the server that are reset at once': {
    door: 'server by TLS',
    connections: 2,
    anewAfterMs: 250,
    first: resets(headerBlock('/spire.api.server.bundle.v1.Bundle/GetBundle', localhost)),
  },
  'SETTINGS and PING that ask for an answer each': {
    door: 'agent',
    connections: 4,
    first: opening,
    meanwhile: {
      bytes: Buffer.concat(
        Array(200).fill(Buffer.concat([settings(), frame(6, 0, 0, Buffer.alloc(8))])),
      ),
      everyMs: 20,
    },
  },
  'a preface that never ends': {
    door: 'agent',
    connections: 100,
    first: prefaceBytes.subarray(0, 3),
    meanwhile: { bytes: prefaceBytes.subarray(3, 4), everyMs: 1000 },
  },
  'a call that comes one byte a second': {
    door: 'agent',
    connections: 50,
    first: Buffer.concat([opening, frame(1, flag.endHeaders, 1, headers)]),
    meanwhile: { bytes: Buffer.of(0), everyMs: 1000 },
  },
  'TLS without a ClientHello': { door: 'server', connections: 60, first: Buffer.alloc(0) },
  'TLS that is none': {
    door: 'server',
    connections: 30,
    first: Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n'),
  },
  'a ClientHello that trickles': {
    door: 'server',
    connections: 60,
    first: Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01]),
    meanwhile: { bytes: Buffer.of(0), everyMs: 500 },
  },
}

/** Keeps as many connections busy as the attack has, and makes new ones for those that are closed. */
export async function attack(
  { connections, first, meanwhile, anewAfterMs = 3_600_000 }: Attack,
  open: () => Socket,
  signal: AbortSignal,
): Promise<void> {
  const lane = async (): Promise<void> => {
    while (!signal.aborted) {
      const socket = open()
      socket.on('error', () => {}).resume()
      const closed = new Promise((resolve) => socket.once('close', resolve))
      socket.write(first)
      const timer =
        meanwhile && setInterval(() => void socket.write(meanwhile.bytes), meanwhile.everyMs)
      // Ends with the attack too.
      const anew = sleep(anewAfterMs, undefined, { ref: false, signal }).catch(() => {})
      await Promise.race([closed, anew])
      clearInterval(timer)
      socket.destroy()
      await sleep(20)
    }
  }
  await Promise.all(Array.from({ length: connections }, lane))
}
