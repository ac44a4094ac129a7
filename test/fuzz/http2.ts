import { gzipSync } from 'node:zlib'
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
  message,
  nettySettings,
  prefaceBytes,
  settings,
  text,
} from '../support/http2-frames.ts'
import { withByteEdits } from './bytes.ts'
import { doorsOf } from './doors.ts'
import { openFuzzStand } from './stand.ts'
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
    ...['99999999H', '0n', '1m', '-1S', '\xff'].map((value) => literal('grpc-timeout', value)),
    ...['gzip', 'deflate', 'identity', 'snappy\xed'].map((value) =>
      literal('grpc-encoding', value),
    ),
    ...[
      literal('x-bin', '\xff,,=='),
      literal('authorization', 'Bearer \xff'),
      literal('expect', '100-continue'),
    ],
    ...['HEAD', 'CONNECT', 'GET'].map((value) => literal(':method', value)),
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
  {
    weight: 2,
    arbitrary: fc.constantFrom(
      '/spire.api.server.bundle.v1.Bundle/GetBundle',
      '/spire.api.server.agent.v1.Agent/AttestAgent',
      '/spire.api.server.entry.v1.Entry/ListEntries',
      '/countersign.sync.v1.Sync/Follow',
      '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo',
      '/envoy.service.secret.v3.SecretDiscoveryService/StreamSecrets',
    ),
  },
)
const notGrpc = Buffer.concat([Buffer.of(0x83, 0x86), literal(':path', jwtMethod)])
// After another `:method` the block has no fault but what that method brings.
const otherMethod = fc
  .constantFrom('HEAD', 'CONNECT', 'GET', 'post')
  .map((value) =>
    Buffer.concat([
      literal(':method', value),
      headerBlock(jwtMethod, authority('localhost')).subarray(1),
    ]),
  )
const block = fc.oneof(
  { weight: 3, arbitrary: fc.tuple(method, field).map(([path, one]) => headerBlock(path, one)) },
  { weight: 1, arbitrary: field.map((one) => Buffer.concat([notGrpc, one])) },
  { weight: 1, arbitrary: fc.array(field, { maxLength: 6 }).map((all) => Buffer.concat(all)) },
  { weight: 1, arbitrary: otherMethod },
)
// Messages: whole and not, marked as compressed and not, and a small one that grows to a megabyte.
const bomb = gzipSync(Buffer.alloc(1 << 20))
const prefixed = (bytes: Buffer, isCompressed: boolean): Buffer => {
  const whole = message(bytes)
  whole[0] = isCompressed ? 1 : 0
  return whole
}
const messages = fc
  .array(
    fc
      .tuple(fc.oneof(fc.uint8Array({ maxLength: 30 }), fc.constant(bomb)), fc.boolean())
      .map(([bytes, isCompressed]) => prefixed(Buffer.from(bytes), isCompressed)),
    { maxLength: 4 },
  )
  .map((all) => Buffer.concat(all))
const payload = fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes))
const frames = fc.oneof(
  fc.tuple(streamId, block).map(([id, headers]) => jwtCall(id & 0x7fff_ffff, headers)),
  fc
    .tuple(streamId, block, fc.nat({ max: 255 }), fc.constantFrom(1, 9))
    .map(([id, headers, flags, type]) => frame(type, flags, id, headers)),
  fc.tuple(streamId, payload).map(([id, data]) => frame(0, flag.endStream, id, data)),
  fc
    .tuple(streamId, messages, fc.constantFrom(0, flag.endStream))
    .map(([id, data, flags]) => frame(0, flags, id, data)),
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

// How long a caller stays after its last byte.
const LEAVES_MS = [0, 1, 15]
const HONEST_EVERY = 50
// The first bytes say at which door, how to leave, and where a piece ends.
const HEAD = 3
const talks = fc
  .tuple(
    fc.oneof(
      { weight: 12, arbitrary: fc.constant(0) },
      { weight: 3, arbitrary: fc.constant(1) },
      { weight: 1, arbitrary: fc.constantFrom(2, 3) },
    ),
    fc.nat({ max: 5 }),
    fc.oneof(fc.constant(0), fc.nat({ max: 255 })),
    conversation,
  )
  .map(([door, leaving, cut, said]) => Buffer.concat([Buffer.of(door, leaving, cut), said]))

/**
 * Bytes on the agent's socket, where an honest caller has to be served all the while, and at the doors of the server.
 */
export const http2: Target = {
  name: 'http2',
  async open() {
    const stand = await openFuzzStand()
    const doors = doorsOf(stand)
    const honest = dialUnix(stand.at.socket)
    let taken = 0
    return {
      inputs: withByteEdits(talks),
      async take(input) {
        const [which = 0, leaving = 0, cut = 0] = input
        const said = input.subarray(HEAD)
        const at = Math.ceil((said.length * cut) / 256)
        const talk = doors[which % doors.length] ?? doors[0]
        const afterMs = LEAVES_MS[leaving % LEAVES_MS.length] ?? 0
        await talk([said.subarray(0, at), said.subarray(at)], { afterMs, isReset: leaving > 2 })
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
