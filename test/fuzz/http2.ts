import { connect } from 'node:net'
import fc from 'fast-check'
import { createClient } from '../../src/rpc/client.ts'
import { dialUnix } from '../../src/rpc/dial.ts'
import {
  authority,
  flag,
  frame,
  headerBlock,
  jwtCall,
  jwtMethod,
  literal,
  nettySettings,
  prefaceBytes,
  settings,
  text,
} from '../support/http2-frames.ts'
import { withByteEdits } from './bytes.ts'
import { type FuzzStand, openFuzzStand } from './stand.ts'
import type { Target } from './target.ts'

const streamId = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom(1, 3, 5, 7) },
  { weight: 1, arbitrary: fc.constantFrom(0, 2, 0x7fff_ffff, 0xffff_ffff) },
)
const field = fc.oneof(
  fc.constantFrom(
    ...[authority('localhost'), authority('/run/countersign/api.sock', 0x10), authority('', 0)],
    ...[literal('origin', 'https://a.example'), literal('te', 'trailers', 0x40)],
    ...[literal(':path', '/SpiffeWorkloadAPI/FetchX509SVID'), literal(':status', '200')],
    ...[literal('grpc-timeout', '1S'), literal('workload.spiffe.io', 'true'), literal('', '')],
    // Table indexes that are there and are not, a new table size, a string that goes on for ever.
    ...[0x80, 0x82, 0xbe, 0xff, 0x20, 0x3f].map((octet) => Buffer.of(octet)),
    Buffer.from([0x3f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]),
    Buffer.from([0x00, 0x7f, 0xff, 0xff, 0x7f]),
    Buffer.concat([Buffer.of(0x00, 0x85), Buffer.alloc(5, 0xff), text('a')]),
  ),
  fc.uint8Array({ maxLength: 12 }).map((bytes) => Buffer.from(bytes)),
)
const method = fc.oneof(
  { weight: 3, arbitrary: fc.constant(jwtMethod) },
  { weight: 1, arbitrary: fc.constantFrom('/grpc.health.v1.Health/Watch', '/no.such/Method', '/') },
)
const notGrpc = Buffer.concat([Buffer.of(0x83, 0x86), literal(':path', jwtMethod)])
const block = fc.oneof(
  { weight: 3, arbitrary: fc.tuple(method, field).map(([path, one]) => headerBlock(path, one)) },
  { weight: 1, arbitrary: field.map((one) => Buffer.concat([notGrpc, one])) },
  { weight: 1, arbitrary: fc.array(field, { maxLength: 6 }).map((all) => Buffer.concat(all)) },
)
const payload = fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes))
const frames = fc.oneof(
  fc.tuple(streamId, block).map(([id, headers]) => jwtCall(id & 0x7fff_ffff, headers)),
  fc
    .tuple(streamId, block, fc.nat({ max: 255 }), fc.constantFrom(1, 9))
    .map(([id, headers, flags, type]) => frame(type, flags, id, headers)),
  fc.tuple(streamId, payload).map(([id, data]) => frame(0, flag.endStream, id, data)),
  // SETTINGS of odd values, PING, RST_STREAM, GOAWAY, WINDOW_UPDATE, PRIORITY, PUSH_PROMISE, unknown ones.
  fc
    .array(fc.tuple(fc.nat({ max: 9 }), fc.constantFrom(0, 1, 0x7fff_ffff, 0xffff_ffff)), {
      maxLength: 5,
    })
    .map((pairs) => settings(...pairs)),
  fc.constant(frame(4, 1, 0, Buffer.alloc(0))),
  fc
    .tuple(fc.nat({ max: 15 }), fc.nat({ max: 255 }), streamId, payload)
    .map(([type, flags, id, data]) => frame(type, flags, id, data)),
  fc
    .tuple(fc.constantFrom(3, 6, 8), streamId)
    .map(([type, id]) =>
      Buffer.concat(
        Array.from({ length: 50 }, () => frame(type, 0, id, Buffer.alloc(type === 6 ? 8 : 4, 1))),
      ),
    ),
)
const conversation = fc
  .tuple(
    fc.oneof(
      { weight: 9, arbitrary: fc.constant(prefaceBytes) },
      {
        weight: 1,
        arbitrary: fc.constantFrom(
          prefaceBytes.subarray(0, 9),
          Buffer.from('GET / HTTP/1.1\r\n\r\n'),
        ),
      },
    ),
    fc.oneof(fc.constant(nettySettings), fc.constant(settings())),
    fc.array(frames, { maxLength: 8 }),
  )
  .map(([preface, first, rest]) => Buffer.concat([preface, first, ...rest]))

// How long a connection is left to answer before it is dropped: by the input's length, one of these.
const ANSWER_MS = [0, 1, 15]
const HONEST_EVERY = 50

/** Bytes on the agent's socket, where an honest caller has to be served all the while. */
export const http2: Target = {
  name: 'http2',
  async open() {
    const stand = await openFuzzStand()
    const honest = dialUnix(stand.at.socket)
    let taken = 0
    return {
      inputs: withByteEdits(conversation),
      async take(input) {
        await send(stand, input)
        stand.check()
        taken += 1
        if (taken % HONEST_EVERY !== 0) return
        const metadata = { 'workload.spiffe.io': 'true' }
        const audience = { audience: ['me'], spiffe_id: '' }
        await createClient('SpiffeWorkloadAPI', honest).unary('FetchJWTSVID', audience, {
          metadata,
        })
      },
      workedMs: stand.loopMs,
      descriptors: stand.descriptors,
      async [Symbol.asyncDispose]() {
        honest.close()
        await stand[Symbol.asyncDispose]()
      },
    }
  },
}

/** Sends it in one piece, and leaves when the agent hangs up or has had its time. */
async function send(stand: FuzzStand, input: Uint8Array): Promise<void> {
  const socket = connect(stand.at.socket)
  // Not `once`, which rejects at an error: to be hung up on is an answer too.
  const closed = new Promise<void>((resolve) => socket.on('close', () => resolve()))
  socket.on('error', () => {})
  socket.resume()
  socket.write(input)
  const leave = setTimeout(() => socket.destroy(), ANSWER_MS[input.length % ANSWER_MS.length])
  await closed
  clearTimeout(leave)
}
