import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server as NetServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  type Metadata,
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type ServerWritableStream,
  type sendUnaryData,
} from '@grpc/grpc-js'
import { type ServiceName, serviceDefinition } from '../rpc/services.ts'
import type { CallStatus, Transport } from './script.ts'

/** An error that ends a call with a status. */
export class StatusError extends Error {
  readonly code: number
  readonly details: string

  constructor({ code, message = '' }: CallStatus) {
    super(message)
    this.code = code
    this.details = message
  }
}

/** A running stream. */
export interface OpenStream {
  /** A message, or the bytes of one. */
  send(message: object): void
  /** With OK where no status is given. */
  end(status?: CallStatus): void
}

export interface StreamServerHandlers {
  /** Throws a `StatusError` to refuse the call. */
  admit(rpc: string, metadata: Metadata, request: unknown): void
  /** The result is called when the stream is over, whoever ended it. */
  stream(rpc: string, stream: OpenStream): () => void
  unary(rpc: string, request: unknown): Promise<object>
}

/** A gRPC server of one service, on sockets that can be cut at any time. */
export class StreamServer {
  readonly #grpc = new Server()
  readonly #injector = this.#grpc.createConnectionInjector(ServerCredentials.createInsecure())
  readonly #sockets = new Set<Socket>()
  readonly #folder: string | undefined
  #listener: NetServer | undefined
  #port = 0

  constructor(transport: Transport, service: ServiceName, handlers: StreamServerHandlers) {
    this.#folder = transport === 'unix' ? mkdtempSync(join(tmpdir(), 'spiffe-')) : undefined
    this.#serve(service, handlers)
  }

  /** `unix:///…` or `tcp://127.0.0.1:…`: the same each time that it listens. */
  get endpoint(): string {
    return this.#folder === undefined
      ? `tcp://127.0.0.1:${this.#port}`
      : `unix://${this.#path(this.#folder)}`
  }

  async listen(): Promise<void> {
    if (this.#listener !== undefined) return
    const listener = createServer((socket) => {
      this.#sockets.add(socket)
      socket.on('error', () => {})
      socket.once('close', () => this.#sockets.delete(socket))
      this.#injector.injectConnection(socket)
    })
    this.#listener = listener
    await new Promise<void>((resolve, reject) => {
      listener.once('error', reject)
      if (this.#folder === undefined) listener.listen(this.#port, '127.0.0.1', resolve)
      else listener.listen(this.#path(this.#folder), resolve)
    })
    const address = listener.address()
    if (typeof address === 'object' && address !== null) this.#port = address.port
  }

  /** Nobody listens any more, and who was connected is cut off. */
  async stop(): Promise<void> {
    const listener = this.#listener
    this.#listener = undefined
    if (listener === undefined) return
    await new Promise<void>((resolve) => {
      listener.close(() => resolve())
      this.cut()
    })
  }

  /** Cuts the connections off; new ones are taken. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  async close(): Promise<void> {
    await this.stop()
    this.#grpc.forceShutdown()
    if (this.#folder !== undefined) rmSync(this.#folder, { recursive: true, force: true })
  }

  #path(folder: string): string {
    return join(folder, 'api.sock')
  }

  #serve(service: ServiceName, handlers: StreamServerHandlers): void {
    for (const [rpc, method] of Object.entries(serviceDefinition(service))) {
      const serialize = (message: Buffer | object): Buffer =>
        Buffer.isBuffer(message) ? message : method.responseSerialize(message)
      this.#grpc.register(
        method.path,
        method.responseStream ? streamHandler(rpc, handlers) : unaryHandler(rpc, handlers),
        serialize,
        method.requestDeserialize,
        method.responseStream ? 'serverStream' : 'unary',
      )
    }
  }
}

function streamHandler(rpc: string, handlers: StreamServerHandlers) {
  return (call: ServerWritableStream<unknown, object>): void => {
    const stream: OpenStream = {
      send: (message) => void call.write(message),
      end(status) {
        if (status === undefined || status.code === 0) call.end()
        else call.emit('error', new StatusError(status))
      },
    }
    try {
      handlers.admit(rpc, call.metadata, call.request)
      const over = handlers.stream(rpc, stream)
      for (const event of ['finish', 'error', 'cancelled']) call.once(event, over)
    } catch (error) {
      call.emit('error', error)
    }
  }
}

function unaryHandler(rpc: string, handlers: StreamServerHandlers) {
  return (call: ServerUnaryCall<unknown, object>, done: sendUnaryData<object>): void => {
    const answer = async (): Promise<object> => {
      handlers.admit(rpc, call.metadata, call.request)
      return handlers.unary(rpc, call.request)
    }
    answer().then(
      (message) => done(null, message),
      (error: Error) => done(error),
    )
  }
}
