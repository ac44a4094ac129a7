import {
  type Client,
  type ClientDuplexStream,
  Metadata,
  Server,
  type ServerDuplexStream,
  type ServerInterceptor,
  type ServiceError,
} from '@grpc/grpc-js'
import { fromStatus } from '../../../src/rpc/status.ts'
import { eventually } from '../../../src/testing/eventually.ts'

export type OpenMethod = `/test.Orders/${'Wait' | 'Watch' | 'Collect' | 'Follow'}`

/** Methods whose calls stay open, one of each kind. */
export const openMethods: Readonly<
  Record<OpenMethod, { readonly requestStream: boolean; readonly responseStream: boolean }>
> = {
  '/test.Orders/Wait': { requestStream: false, responseStream: false },
  '/test.Orders/Watch': { requestStream: false, responseStream: true },
  '/test.Orders/Collect': { requestStream: true, responseStream: false },
  '/test.Orders/Follow': { requestStream: true, responseStream: true },
}

/** The service's side of a call, what it was sent, and how often it was told that the call is over. */
export type Serving = Pick<ServerDuplexStream<Buffer, Buffer>, 'write' | 'destroyed'> & {
  readonly received: string[]
  told: number
  /** Of a call whose service sends no stream. */
  answer(text: string): void
}

/** A client's side of a call. */
export interface OpenCall {
  write(text: string): void
  leave(): void
  /** Takes nothing more off the connection. */
  pause(): void
  resume(): void
  /** What came and was not asked for yet: messages, or how it ended. */
  readonly heard: unknown[]
  /** The next of them. */
  next(): Promise<unknown>
}

const bytes = (value: Buffer): Buffer => value
const codec = {
  ...{ requestSerialize: bytes, requestDeserialize: bytes },
  ...{ responseSerialize: bytes, responseDeserialize: bytes },
}

/** Answers by itself nothing but each message of a stream to and fro, with the same. */
export function openServer(...interceptors: ServerInterceptor[]): {
  readonly server: Server
  readonly calls: readonly Serving[]
} {
  const server = new Server({ interceptors })
  const calls: Serving[] = []
  type Answer = (error: null, answer: Buffer) => void
  const serve = (path: OpenMethod) => (call: ServerDuplexStream<Buffer, Buffer>, say: Answer) => {
    const answer = (text: string): void => say(null, Buffer.from(text))
    const serving = Object.assign(call, { received: [] as string[], told: 0, answer })
    calls.push(serving)
    call.on('cancelled', () => {
      serving.told += 1
    })
    if (!openMethods[path].requestStream) return
    call.on('data', (message: Buffer) => {
      serving.received.push(String(message))
      if (openMethods[path].responseStream) call.write(message)
    })
  }
  for (const [path, kind] of Object.entries(openMethods)) {
    const name = path.slice(path.lastIndexOf('/') + 1)
    server.addService(
      { [name]: { path, ...codec, ...kind } },
      { [name]: serve(path as OpenMethod) as never },
    )
  }
  return { server, calls }
}

export function openCall(channel: Client, path: OpenMethod, token: string): OpenCall {
  const metadata = new Metadata()
  metadata.set('authorization', `Bearer ${token}`)
  const heard: unknown[] = []
  const failed = (error: ServiceError | null): void => {
    if (error !== null) heard.push([error.code, fromStatus(error).reason])
  }
  const call: unknown = (() => {
    const method = [path, bytes, bytes] as const
    const { requestStream, responseStream } = openMethods[path]
    if (requestStream && responseStream) return channel.makeBidiStreamRequest(...method, metadata)
    if (requestStream) return channel.makeClientStreamRequest(...method, metadata, failed)
    const one = Buffer.of()
    if (responseStream) return channel.makeServerStreamRequest(...method, one, metadata)
    return channel.makeUnaryRequest(...method, one, metadata, failed)
  })()
  const { responseStream } = openMethods[path]
  const stream = call as ClientDuplexStream<Buffer, Buffer>
  if (responseStream) stream.on('data', (message) => heard.push(String(message)))
  if (responseStream) stream.on('error', failed)
  return {
    heard,
    write: (text) => void stream.write(Buffer.from(text)),
    leave: () => stream.cancel(),
    pause: () => void stream.pause(),
    resume: () => void stream.resume(),
    async next() {
      await eventually(() => heard.length > 0)
      return heard.shift()
    },
  }
}
