// What a call on a Unix socket cannot be had without: grpc-js, a message of the same size, and one look
// at the caller in /proc. No identity, no cache, no checks. Argument: { pid, x509, jwt }, the caller's
// pid and the messages, base64. The line `push` sends a message (base64 after it) on each open stream.
import { readFileSync, readlinkSync, statSync } from 'node:fs'
import { join } from 'node:path'
import {
  Server,
  ServerCredentials,
  type ServerWritableStream,
  type sendUnaryData,
} from '@grpc/grpc-js'
import { serviceDefinition } from '../src/rpc/services.ts'
import { argument, onLine, ownFolder, say } from './support/child.ts'

type Stream = ServerWritableStream<object, Buffer>

const { pid, x509, jwt } = argument<Readonly<{ pid: number; x509: string; jwt: string }>>()
const firstMessage = Buffer.from(x509, 'base64')
const token = Buffer.from(jwt, 'base64')
const folder = `/proc/${pid}`

function lookAtCaller(): void {
  readFileSync(`${folder}/stat`, 'utf8')
  readFileSync(`${folder}/status`, 'utf8')
  readlinkSync(`${folder}/exe`)
  statSync(`${folder}/exe`)
  readFileSync(`${folder}/stat`, 'utf8')
}

const ready = (message: Buffer): Buffer => message
const { FetchX509SVID, FetchJWTSVID } = serviceDefinition('SpiffeWorkloadAPI')
const streams = new Set<Stream>()
const server = new Server({ 'grpc.enable_channelz': 0 })
server.addService(
  {
    FetchX509SVID: { ...FetchX509SVID, responseSerialize: ready },
    FetchJWTSVID: { ...FetchJWTSVID, responseSerialize: ready },
  } as never,
  {
    FetchX509SVID(call: Stream) {
      lookAtCaller()
      streams.add(call)
      call.on('cancelled', () => streams.delete(call))
      call.on('error', () => streams.delete(call))
      call.write(firstMessage)
    },
    FetchJWTSVID(_call: unknown, answer: sendUnaryData<Buffer>) {
      lookAtCaller()
      answer(null, token)
    },
  },
)
const socket = join(ownFolder(), 's')
server.bindAsync(`unix:${socket}`, ServerCredentials.createInsecure(), () => say({ socket }))
onLine((line) => {
  const message = Buffer.from(line.slice('push '.length), 'base64')
  for (const stream of streams) stream.write(message)
  say({ pushed: streams.size })
})
